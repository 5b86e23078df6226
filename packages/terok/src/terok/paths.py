"""Where terok keeps its files, and how much room is there; nothing is created here."""

from __future__ import annotations

import os

from terok_util import namespace_config_dir, namespace_runtime_dir, namespace_state_dir

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pathlib import Path

OUTPUT = "output.log"
"""File with the output of a task, in its directory once its container is gone."""


def config_dir() -> Path:
    """Return the directory of `config.yml`."""
    return namespace_config_dir()


def projects_dir() -> Path:
    """Return the directory with a directory for every project."""
    return namespace_config_dir("projects")


def database_path() -> Path:
    """Return the file of the database of tasks."""
    return namespace_state_dir("terok.db")


def tasks_dir() -> Path:
    """Return the directory with `<project>/<id>` for every task."""
    return namespace_state_dir("tasks")


def trash_dir() -> Path:
    """Return where deleted tasks wait; on the file system of `tasks_dir`, so that a move is a rename."""
    return namespace_state_dir("trash")


def controller_socket() -> Path:
    """Return the socket of the controller."""
    return namespace_runtime_dir("controller.sock")


def controller_log() -> Path:
    """Return the log of the controller."""
    return namespace_state_dir("controller.log")


def tui_state() -> Path:
    """Return the file in which the terminal interface keeps where a person was."""
    return namespace_state_dir("tui.json")


def panic_dir() -> Path:
    """Return the directory with the evidence of every panic."""
    return namespace_state_dir("panic")


def free_bytes(place: Path) -> int | None:
    """Return the bytes that are free where a path is or would be; None if that cannot be found out."""
    while not place.exists() and place != place.parent:
        place = place.parent
    try:
        facts = os.statvfs(place)
    except OSError:
        return None
    return facts.f_bavail * facts.f_frsize
