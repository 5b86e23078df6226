"""Directories with our marker: the only ones that terok ever moves or removes.

A marked directory holds a file that names its task, an identifier of its own and the inode it was made with. A copy, a
link or another directory in its place does not fit, and is left alone. Containers have only what is below mounted, so
nothing inside can write a marker.
"""

from __future__ import annotations

import json
import os
import stat
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

from terok_util import FileError, ensure_dir, read_private, remove_tree, sync_path, write_sensitive_file

from terok.errors import TaskError

MARKER = ".terok-task.json"
_MAX_BYTES = 4096
_REMOVE_SECONDS = 600.0


@dataclass(frozen=True, slots=True)
class Marker:
    """The identity of one directory; the inode is known once the directory exists."""

    task: str
    uuid: str
    inode: int


def make_marked(directory: Path, task: str) -> Marker:
    """Make a directory with a marker, or return that of one that is there; TaskError if it is not this task's."""
    ensure_dir(directory)
    # A kill while the marker was written leaves its draft.
    if any(not (entry.name.startswith(f".{MARKER}.") and entry.suffix == ".tmp") for entry in directory.iterdir()):
        return read_marker(directory, task)
    marker = Marker(task, os.urandom(16).hex(), directory.lstat().st_ino)
    write_sensitive_file(directory / MARKER, json.dumps(asdict(marker)) + "\n")
    return marker


def read_marker(directory: Path, task: str) -> Marker:
    """Return the marker of a task's directory; TaskError, and nothing may be done with it, unless it fits."""
    try:
        facts = directory.lstat()
        raw = json.loads(read_private(directory / MARKER, _MAX_BYTES, forbidden=0o022))
        marker = Marker(str(raw["task"]), str(raw["uuid"]), int(raw["inode"]))
        other_disk = directory.parent.stat().st_dev != facts.st_dev
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise _not_ours(directory, f"its marker cannot be read: {error}") from None
    if not stat.S_ISDIR(facts.st_mode) or other_disk:
        raise _not_ours(directory, "it is a link, or another file system")
    if marker.task != task or marker.inode != facts.st_ino:
        raise _not_ours(directory, "the marker in it is that of another directory")
    return marker


def move_marked(source: Path, target: Path, task: str) -> None:
    """Rename a task's directory, durably; TaskError if that is not possible, and then nothing has changed.

    A directory that is at its target already has been moved before.
    """
    if not os.path.lexists(source) and os.path.lexists(target):
        read_marker(target, task)
        return
    read_marker(source, task)
    ensure_dir(target.parent)
    if os.path.lexists(target):
        raise TaskError(f"{target} is there already", hint="move it away yourself, then try again")
    try:
        source.rename(target)
    except OSError as error:
        raise TaskError(f"{source} cannot be moved to {target}: {error.strerror}") from error
    for parent in (source.parent, target.parent):
        sync_path(parent)


def remove_marked(directory: Path, task: str) -> None:
    """Remove a task's directory with everything in it; TaskError unless it carries the marker of this task."""
    if not os.path.lexists(directory):
        return
    read_marker(directory, task)
    # The marker goes last: what an interrupted removal leaves can still be removed.
    for entry in sorted(directory.iterdir()):
        if entry.name != MARKER:
            _remove(entry)
    remove_tree(directory)


def _remove(path: Path) -> None:
    try:
        remove_tree(path)
    except FileError:
        # Files of the container's other users belong to our subordinate IDs: only our user namespace may remove them.
        from terok_util.process import run

        run(["podman", "unshare", "rm", "-rf", "--one-file-system", "--", str(path)], timeout=_REMOVE_SECONDS)


def _not_ours(directory: Path, why: str) -> TaskError:
    return TaskError(f"{directory} is left alone: {why}", hint="look at it, and remove it yourself if it is yours to")


def mark_again(directory: Path, task: str) -> None:
    """Give a task's directory a new marker, where a restored backup has an old one or none.

    TaskError for a link, and for a directory whose marker names another task.
    """
    facts = directory.lstat()
    if not stat.S_ISDIR(facts.st_mode):
        raise _not_ours(directory, "it is a link, or no directory")
    with suppress(OSError, ValueError):
        raw = json.loads(read_private(directory / MARKER, _MAX_BYTES, forbidden=0o022))
        if isinstance(raw, dict) and raw.get("task") not in (None, task):
            raise _not_ours(directory, "the marker in it is that of another task")
    marker = Marker(task, os.urandom(16).hex(), facts.st_ino)
    write_sensitive_file(directory / MARKER, json.dumps(asdict(marker)) + "\n")
