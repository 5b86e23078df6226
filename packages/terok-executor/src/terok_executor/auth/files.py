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

    FileError if the file or a directory on the way is anything else, or if it is larger than ``limit`` bytes.
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


def shred_tree(root: Path) -> None:
    """Overwrite every regular file below ``root`` that has no other name, and remove the tree.

    FileError if the tree cannot be removed; what cannot be overwritten is still removed.
    """
    with suppress(OSError, RecursionError):
        for _, _, names, parent in os.fwalk(root, follow_symlinks=False):
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
    opened = [os.open(root, _DIRECTORY)]
    try:
        for part in parts:
            if part == "..":
                raise FileError(f"a path leads out of {root}")
            opened.append(os.open(part, _DIRECTORY, dir_fd=opened[-1]))
        yield opened[-1]
    finally:
        for descriptor in opened:
            os.close(descriptor)
