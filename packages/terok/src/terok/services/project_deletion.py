"""Deleting a project: its directory waits beside the others until the operation expires.

A rename within one directory tree is atomic. What is moved, brought back or removed is recognized by its inode and a
marker in it, so that a directory somebody has put in its place, or a copy, is left alone.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from terok_util import ensure_dir, read_private, remove_tree, sync_path, write_sensitive_file

from terok.errors import ProjectError
from terok.paths import projects_dir

if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok.services.task_ends import TaskEnds

KIND = "project.delete"
MARKER = ".terok-project"
_MAX_BYTES = 64
TRASH = ".trash"
"""Below the directory of projects; no project can be called so."""


def details_of(directory: Path) -> dict[str, Any]:
    """Return what an operation records about the directory it is going to move."""
    mark = uuid4().hex
    trash = projects_dir() / TRASH / f"{directory.name}.{mark[:12]}"
    return {"directory": str(directory), "trash": str(trash), "inode": directory.lstat().st_ino, "mark": mark}


def carry_out(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Move the project's directory to the trash, unless that is done."""
    directory, trash = _places(details)
    if os.path.lexists(trash):
        _check(trash, details)
        return
    _check_inode(directory, details)
    write_sensitive_file(directory / MARKER, str(details["mark"]))
    _move(directory, trash)


def take_back(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Move it back; ProjectError if there is a project of its name by now."""
    directory, trash = _places(details)
    if os.path.lexists(trash):
        _check(trash, details)
        _move(trash, directory)
    _check_inode(directory, details)
    (directory / MARKER).unlink(missing_ok=True)


def give_up(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Remove what is in the trash."""
    _, trash = _places(details)
    if os.path.lexists(trash):
        _check(trash, details)
        remove_tree(trash)


def _places(details: Mapping[str, Any]) -> tuple[Path, Path]:
    return Path(str(details["directory"])), Path(str(details["trash"]))


def _move(source: Path, target: Path) -> None:
    if os.path.lexists(target):
        raise ProjectError(f"{target} is there already", hint="move it away yourself, then try again")
    ensure_dir(target.parent)
    try:
        source.rename(target)
    except OSError as error:
        raise ProjectError(f"{source} cannot be moved to {target}: {error.strerror}") from error
    for parent in {source.parent, target.parent}:
        sync_path(parent)


def _check(directory: Path, details: Mapping[str, Any]) -> None:
    """Raise ProjectError unless a directory is the one that the operation has marked."""
    _check_inode(directory, details)
    try:
        mark = read_private(directory / MARKER, _MAX_BYTES, forbidden=0o022).decode()
    except (OSError, UnicodeDecodeError):
        mark = ""
    if mark != details["mark"]:
        raise _another(directory)


def _check_inode(directory: Path, details: Mapping[str, Any]) -> None:
    try:
        found = directory.lstat()
    except OSError as error:
        raise ProjectError(f"{directory} cannot be found: {error.strerror}") from error
    if found.st_ino != details["inode"]:
        raise _another(directory)


def _another(directory: Path) -> ProjectError:
    return ProjectError(f"{directory} is another directory than it was, and is left alone", hint="see `terok op log`")
