"""Deleting a project: its directory waits beside the others until the operation expires.

A rename within one directory tree is atomic. What is moved, brought back or removed is recognized by device and inode,
so that a directory somebody has put in its place is left alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from terok_util import ensure_dir, remove_tree, sync_path

from terok.errors import ProjectError
from terok.paths import projects_dir

if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok.services.task_ends import TaskEnds

KIND = "project.delete"
TRASH = ".trash"
"""Below the directory of projects; no project can be called so."""


def details_of(directory: Path) -> dict[str, Any]:
    """Return what an operation records about the directory it is going to move."""
    found = directory.lstat()
    trash = projects_dir() / TRASH / f"{directory.name}.{uuid4().hex[:12]}"
    return {"directory": str(directory), "trash": str(trash), "device": found.st_dev, "inode": found.st_ino}


def carry_out(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Move the project's directory to the trash, unless that is done."""
    _move(details, str(details["directory"]), str(details["trash"]))


def take_back(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Move it back; ProjectError if there is a project of its name by now."""
    _move(details, str(details["trash"]), str(details["directory"]))


def give_up(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Remove what is in the trash."""
    trash = Path(str(details["trash"]))
    if os.path.lexists(trash):
        _check(trash, details)
        remove_tree(trash)


def _move(details: Mapping[str, Any], source: str, target: str) -> None:
    if not os.path.lexists(source) and os.path.lexists(target):
        _check(Path(target), details)
        return
    _check(Path(source), details)
    if os.path.lexists(target):
        raise ProjectError(f"{target} is there already", hint="move it away yourself, then try again")
    ensure_dir(Path(target).parent)
    try:
        Path(source).rename(target)
    except OSError as error:
        raise ProjectError(f"{source} cannot be moved to {target}: {error.strerror}") from error
    for parent in {Path(source).parent, Path(target).parent}:
        sync_path(parent)


def _check(directory: Path, details: Mapping[str, Any]) -> None:
    """Raise ProjectError unless a directory is the one that the operation is about."""
    try:
        found = directory.lstat()
    except OSError as error:
        raise ProjectError(f"{directory} cannot be found: {error.strerror}") from error
    if (found.st_dev, found.st_ino) != (details["device"], details["inode"]):
        raise ProjectError(
            f"{directory} is another directory than it was, and is left alone", hint="see `terok op log`"
        )
