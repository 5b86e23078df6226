"""Projects and settings: reading, changing and making them ready. Jobs for threads."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from terok.tui.views.new import Choices

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from terok.config import BrokenProject, Project
    from terok.config.explanation import Setting
    from terok.services.project_look import ProjectLook
    from terok.services.wizard import Suggestions

    Say = Callable[[str], None]


def read_projects() -> list[Project | BrokenProject]:
    """Return all projects."""
    from terok.services.projects import Projects

    return Projects().all()


def read_project(name: str) -> ProjectLook:
    """Return everything about a project."""
    from terok.services.project_look import look_at_project

    return look_at_project(name)


def read_settings(project: str) -> tuple[Setting, ...]:
    """Return every setting of a project, or with "" those of `config.yml`."""
    from terok.config.explanation import settings_of

    return tuple(settings_of(project or None).values())


def change_setting(project: str, key: str, text: str | None) -> str:
    """Change a key as `config edit` and `project edit` do, None takes it out; return what to say."""
    from terok.config.edit import change_typed, edit_host
    from terok.config.layers import user_file
    from terok.services.projects import Projects

    projects = Projects()
    file = projects.file(project) if project else user_file()
    changed = change_typed(
        text, lambda value: projects.change(project, key, value) if project else edit_host(key, value)
    )
    return f"{key} is changed in {file}" if changed else "nothing to change"


def read_suggestions() -> Suggestions:
    """Return what the wizard proposes here."""
    from terok.services.suggestions import suggestions

    return suggestions(Path.cwd())


def write_project(name: str, data: Mapping[str, Any]) -> str:
    """Make a project, and return its file."""
    from terok.services.projects import Projects

    return str(Projects().create(name, data))


def mirror_project(name: str, say: Say) -> str:
    """Bring the mirror of a project up to date, and return what to say."""
    from terok.services.projects import Projects

    projects = Projects(say)
    done = projects.mirror(projects.get(name))
    if done.mirror is None:
        return "; ".join(done.notes)
    parts = [f"work starts from {done.branch}" if done.branch else "the repository is empty", *done.notes]
    if done.pending:
        parts.append(f"{done.pending} changes upstream wait for you")
    return "; ".join(parts)


def build_project(name: str, say: Say, *, rebuild: bool = False) -> str:
    """Bring the image of a project up to date, or build it anew, and return what to say."""
    from terok.services.projects import Projects

    projects = Projects(say)
    built = projects.build(projects.get(name), rebuild=rebuild)
    return f"{built.image} {'was built' if built.built else 'is up to date'}"


def choose_agents(project: str, selection: str) -> str:
    """Choose the agents of a project's image, and return what to say."""
    from terok.services.projects import Projects

    Projects().choose_agents(project, selection)
    return f"agents of {project}: {selection}"


def choose_sets(project: str, chosen: str) -> str:
    """Choose the egress sets that are open for a project, and return what to say."""
    from terok.services.egress_sets import open_sets

    open_sets(project, chosen)
    return f"open for {project}: {chosen}; tasks that run keep theirs"


def derive_project(source: str, name: str) -> str:
    """Make a project with the settings of another, and return its name."""
    from terok.services.projects import Projects

    return Projects().derive(source, name).name


def delete_project(name: str) -> Callable[[Any], str]:
    """Return a job that deletes a project."""

    def job(tasks: Any) -> str:
        from terok.services.projects import Projects

        number = Projects().delete(tasks, name)
        return f"project {name} is deleted; `terok undo {number}` brings it back, and u too"

    return job


def read_choices() -> Choices:
    """Return what a new task can be made of."""
    from terok.config import BrokenProject
    from terok.services.projects import Projects
    from terok.services.suggestions import agent_names

    sound = [one for one in Projects().all() if not isinstance(one, BrokenProject)]
    return Choices({one.name: tuple(sorted(one.presets)) for one in sound}, agent_names())
