"""`config.yml` and `project.yml`: sections, layers, the origin of every value, comment-preserving edits."""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok.config.project import BrokenProject as BrokenProject
    from terok.config.project import Project as Project
    from terok.config.project import list_projects as list_projects
    from terok.config.project import load_project as load_project
    from terok.config.request import run_options as run_options
    from terok.config.request import sandbox_config as sandbox_config
    from terok.config.settings import Settings as Settings
    from terok.config.settings import load_settings as load_settings
