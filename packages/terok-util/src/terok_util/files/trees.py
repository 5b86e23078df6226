"""Deleting a directory tree that an attacker may have shaped."""

from __future__ import annotations

import contextlib
import errno
import itertools
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from terok_util.errors import FileError

_OPEN = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def remove_tree(path: str | os.PathLike[str]) -> None:
    """Delete `path`, if it exists, and everything below it; links are deleted, never followed.

    Any depth works, because directories are moved up before they are emptied. Directories without permissions for
    their owner get them first. FileError if something is another user's; what could be deleted is gone then.
    """
    top = Path(path)
    try:
        with _opened(top.parent, None) as parent:
            if not _is_directory(top.name, parent):
                os.unlink(top.name, dir_fd=parent)
                return
            _make_accessible(top.name, parent)
            with _opened(top.name, parent) as root:
                _empty(root)
            os.rmdir(top.name, dir_fd=parent)
    except FileNotFoundError:
        return
    except OSError as error:
        hint = f"files of a container's users need: podman unshare rm -rf {top}"
        raise FileError(f"cannot delete {top}: {error.strerror}", hint=hint) from error


def _empty(root: int) -> None:
    """Delete all entries of the directory `root`, one level at a time."""
    device = os.fstat(root).st_dev
    fresh = (f".removing-{number}-{os.urandom(6).hex()}" for number in itertools.count())
    while names := os.listdir(root):
        for name in names:
            if not _is_directory(name, root):
                os.unlink(name, dir_fd=root)
                continue
            _make_accessible(name, root)
            with _opened(name, root) as directory:
                if os.fstat(directory).st_dev != device:
                    raise OSError(errno.EXDEV, f"{name} is another file system")
                # Moving what is below up keeps the number of open directories constant, whatever the depth.
                for below in os.listdir(directory):  # noqa: PTH208 - by descriptor
                    if _is_directory(below, directory):
                        _make_accessible(below, directory)
                        os.rename(below, next(fresh), src_dir_fd=directory, dst_dir_fd=root)
                    else:
                        os.unlink(below, dir_fd=directory)
            os.rmdir(name, dir_fd=root)


@contextlib.contextmanager
def _opened(name: str | Path, parent: int | None) -> Iterator[int]:
    """Open a directory; below `parent` never through a link."""
    descriptor = os.open(name, _OPEN | (0 if parent is None else os.O_NOFOLLOW), dir_fd=parent)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _is_directory(name: str, parent: int) -> bool:
    return stat.S_ISDIR(os.stat(name, dir_fd=parent, follow_symlinks=False).st_mode)


def _make_accessible(name: str, parent: int) -> None:
    """Give the owner all permissions on a directory, by descriptor so that a link put in its place is not followed."""
    descriptor = os.open(name, os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
    try:
        if os.fstat(descriptor).st_mode & 0o700 != 0o700:
            Path(f"/proc/self/fd/{descriptor}").chmod(0o700)
    finally:
        os.close(descriptor)
