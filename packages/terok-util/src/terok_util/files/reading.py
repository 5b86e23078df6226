"""Reading small files that somebody else may have put there."""

from __future__ import annotations

import errno
import os
import stat

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import BinaryIO

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC  # a pipe without a writer must not block the open


class ExposedFile(PermissionError):
    """The permissions of a private file let other users in."""


def read_file(path: str | os.PathLike[str], limit: int) -> bytes:
    """Return the content of a regular file of at most `limit` bytes; links are followed.

    OSError, whose `strerror` says why, if it cannot be read, is larger, or could block the reader, as pipes can.
    """
    with _open_regular(path, _FLAGS) as file:
        return _read_all(file, path, limit)


def open_private(path: str | os.PathLike[str], *, forbidden: int = 0o077) -> BinaryIO:
    """Open a regular file of this user for reading; a link at `path` is not followed.

    ExposedFile if it has one of the `forbidden` permission bits; 0o022 accepts a file that others may read. OSError,
    whose `strerror` says why, if it is a link, not a regular file, another user's, or cannot be opened.
    """
    file = _open_regular(path, _FLAGS | os.O_NOFOLLOW)
    status = os.fstat(file.fileno())
    problem: OSError | None = None
    if status.st_uid != os.geteuid():
        problem = PermissionError(errno.EPERM, f"belongs to user {status.st_uid}, not to this user", os.fspath(path))
    elif status.st_mode & forbidden:
        mode = stat.S_IMODE(status.st_mode)
        problem = ExposedFile(errno.EPERM, f"mode {mode:04o} lets other users in", os.fspath(path))
    if problem is not None:
        file.close()
        raise problem
    return file


def read_private(path: str | os.PathLike[str], limit: int, *, forbidden: int = 0o077) -> bytes:
    """Return the content of a private file of at most `limit` bytes; raises as `open_private` and `read_file` do."""
    with open_private(path, forbidden=forbidden) as file:
        return _read_all(file, path, limit)


def read_tail(path: str | os.PathLike[str], size: int) -> str:
    """Return the last `size` bytes of a regular file as text, "" if it cannot be read; links are not followed."""
    try:
        with _open_regular(path, _FLAGS | os.O_NOFOLLOW) as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - size))
            return file.read(size).decode("utf-8", "replace")
    except OSError:
        return ""


def _open_regular(path: str | os.PathLike[str], flags: int) -> BinaryIO:
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        if error.errno == errno.ELOOP and flags & os.O_NOFOLLOW:
            raise OSError(errno.ELOOP, "a symbolic link, not a regular file", os.fspath(path)) from error
        raise
    mode = os.fstat(descriptor).st_mode
    if stat.S_ISREG(mode):
        return open(descriptor, "rb")  # noqa: PTH123 - a descriptor
    os.close(descriptor)
    if stat.S_ISDIR(mode):
        raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR), os.fspath(path))
    raise OSError(errno.EINVAL, "not a regular file", os.fspath(path))


def _read_all(file: BinaryIO, path: str | os.PathLike[str], limit: int) -> bytes:
    data = file.read(limit + 1)
    if len(data) > limit:
        raise OSError(errno.EFBIG, f"larger than {limit} bytes", os.fspath(path))
    return data
