"""`terok config edit`: its handler."""

from __future__ import annotations

from terok.cli.editor import open_editor
from terok.cli.project_changes import edited
from terok.config.edit import edit_host
from terok.config.layers import user_file


def edit(key: str | None, value: str | None, unset: bool) -> int:
    """Change a key of the user's `config.yml`, or open the file in their editor."""
    file = user_file()
    if key is None:
        open_editor(file, ["config", "validate"])
    return edited(key, value, unset, lambda change: edit_host(key, change), str(file))
