"""Which tasks and races there are, for shell completion: one question to the database, without judging any task."""

from __future__ import annotations

import sqlite3

from terok.paths import database_path

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PATIENCE = 0.2
"""Seconds; a person waits for the shell."""


def task_names() -> list[tuple[str, str, str]]:
    """Return identifier, project and name of every task that is not in the trash; nothing if they cannot be read."""
    return _rows("SELECT id, project, name FROM tasks WHERE trashed IS NULL")


def race_names() -> list[tuple[str, str]]:
    """Return identifier and name of every race that is not in the trash; nothing if they cannot be read."""
    return _rows("SELECT id, name FROM races WHERE trashed IS NULL")


def _rows(question: str) -> list[Any]:
    place = database_path()
    if not place.exists():
        return []
    try:
        connection = sqlite3.connect(f"{place.as_uri()}?mode=ro", uri=True, timeout=_PATIENCE)
        try:
            return connection.execute(question).fetchall()
        finally:
            connection.close()
    except sqlite3.Error:
        return []
