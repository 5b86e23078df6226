"""Reading and wiping files in a directory that a container could write: no link is ever followed."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path, PurePosixPath

from terok_util import FileError, remove_tree

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE = os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_ZEROS = bytes(65536)


def read_inside(root: Path, relative: str, *, limit: int) -> bytes | None:
    """Return a regular file's bytes, or None if it is not there.

    FileError if the file or a directory on the way is anything else, or if it is larger than `limit` bytes.
    """
    parts = PurePosixPath(relative).parts
    shown = root / relative
    try:
        with _descend(root, parts[:-1]) as parent:
            descriptor = os.open(parts[-1], os.O_RDONLY | _FILE, dir_fd=parent)
            with os.fdopen(descriptor, "rb") as file:
                if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                    raise FileError(f"not a regular file: {shown}")
                data = file.read(limit + 1)
    except FileNotFoundError:
        return None
    except OSError as error:
        raise FileError(f"cannot read {shown}: {error.strerror}") from error
    if len(data) > limit:
        raise FileError(f"larger than {limit} bytes: {shown}")
    return data


def walk_inside(root: Path) -> Iterator[tuple[tuple[str, ...], int, list[str]]]:
    """Yield each directory below `root`: the names that lead to it, a descriptor, and the names of files in it.

    Any depth works, with one descriptor. What cannot be opened is passed over, a missing root too. FileError if
    directories are moved meanwhile, which nobody does by accident.
    """
    try:
        here = os.open(root, _DIRECTORY)
    except OSError:
        return
    names: list[str] = []
    waiting: list[tuple[tuple[int, int], list[str]]] = []
    try:
        while True:
            with os.scandir(here) as entries:
                kinds = {entry.name: entry.is_dir(follow_symlinks=False) for entry in entries}
            yield tuple(names), here, sorted(name for name, inner in kinds.items() if not inner)
            waiting.append((_identity(here), sorted((name for name, inner in kinds.items() if inner), reverse=True)))
            while (below := _enter(here, waiting[-1][1])) is None:
                waiting.pop()
                if not waiting:
                    return
                here = _instead(here, os.open("..", _DIRECTORY, dir_fd=here))
                if _identity(here) != waiting[-1][0]:
                    raise FileError(f"directories are moved while they are looked through: {root}")
                names.pop()
            here = _instead(here, below[1])
            names.append(below[0])
    finally:
        os.close(here)


def _enter(parent: int, names: list[str]) -> tuple[str, int] | None:
    """Return the first directory of the list that can be opened, and take it and those before it from the list."""
    while names:
        name = names.pop()
        with suppress(OSError):
            return name, os.open(name, _DIRECTORY, dir_fd=parent)
    return None


def _identity(descriptor: int) -> tuple[int, int]:
    facts = os.fstat(descriptor)
    return facts.st_dev, facts.st_ino


def _instead(old: int, new: int) -> int:
    os.close(old)
    return new


def shred_tree(root: Path) -> None:
    """Overwrite every regular file below `root` that has no other name, and remove the tree.

    FileError if the tree cannot be removed; what cannot be overwritten is still removed.
    """
    with suppress(OSError, FileError):
        for _, parent, names in walk_inside(root):
            for name in names:
                with suppress(OSError):
                    _overwrite(name, parent)
    remove_tree(root)


def _overwrite(name: str, parent: int) -> None:
    descriptor = os.open(name, os.O_WRONLY | _FILE, dir_fd=parent)
    with os.fdopen(descriptor, "wb", buffering=0) as file:
        facts = os.fstat(descriptor)
        if not stat.S_ISREG(facts.st_mode) or facts.st_nlink != 1:
            return
        left = facts.st_size
        while left > 0:
            left -= file.write(_ZEROS[:left])
        os.fsync(descriptor)


@contextmanager
def _descend(root: Path, parts: tuple[str, ...]) -> Iterator[int]:
    if ".." in parts:
        raise FileError(f"a path leads out of {root}")
    here = os.open(root, _DIRECTORY)
    try:
        for part in parts:
            here = _instead(here, os.open(part, _DIRECTORY, dir_fd=here))
        yield here
    finally:
        os.close(here)
