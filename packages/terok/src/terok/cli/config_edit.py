"""`terok config edit`: its handler."""

from __future__ import annotations

from functools import partial

from terok_util import namespace_config_dir

from terok.cli.editor import open_editor
from terok.cli.project_changes import edited
from terok.config.checkup import check_host
from terok.config.edit import edit_file


def edit(key: str | None, value: str | None, unset: bool) -> int:
    """Change a key of the user's `config.yml`, or open the file in their editor."""
    file = namespace_config_dir() / "config.yml"
    if key is None:
        open_editor(file, ["config", "validate"])
    return edited(key, value, unset, lambda change: edit_file(file, key, change, partial(check_host, file)), str(file))
