"""Writing files so that they are complete or absent, and never another user's."""

from __future__ import annotations

import contextlib
import os
import stat
from collections.abc import Iterator
from pathlib import Path

from terok_util.errors import FileError

_DIRECTORY = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC


def ensure_dir(path: str | os.PathLike[str], mode: int = 0o700) -> Path:
    """Create `path` and its missing parents with exactly `mode`, and return it.

    A directory that exists stays as it is. FileError if something else is in the way or it cannot be created.
    """
    directory = Path(path)
    missing = []
    level = directory
    while not level.is_dir():
        missing.append(level)
        if level == level.parent:
            break
        level = level.parent
    for level in reversed(missing):
        try:
            level.mkdir(mode)
            level.chmod(mode)
        except FileExistsError:
            if not level.is_dir():
                raise FileError(f"not a directory: {level}", hint=f"move {level} away") from None
        except OSError as error:
            raise FileError(f"cannot create directory {level}: {error.strerror}") from error
    return directory


def ensure_dir_writable(path: str | os.PathLike[str], label: str) -> Path:
    """Do what `ensure_dir` does; FileError, which calls the directory `label`, unless we can create files in it."""
    directory = ensure_dir(path)
    if not os.access(directory, os.W_OK | os.X_OK):
        hint = f"sudo chown -R {os.geteuid()}:{os.getegid()} {directory}"
        raise FileError(f"{label} is not writable: {directory}", hint=hint)
    return directory


def atomic_write(path: str | os.PathLike[str], data: bytes | str, mode: int = 0o644, *, durable: bool = True) -> None:
    """Replace the file `path` by one with content `data` (text as UTF-8) and exactly `mode`.

    A reader sees the old file or the new one, with `durable` also after a power cut. A symbolic link at `path` is
    replaced, not followed. The parent directory must exist. FileError, and no trace, if it cannot be done.
    """
    target = Path(path)
    with _opened_directory(target.parent, _DIRECTORY) as parent:
        _replace(target, parent, data, mode, durable=durable)


def write_sensitive_file(path: str | os.PathLike[str], data: bytes | str, *, durable: bool = True) -> None:
    """Replace the file `path` by one with content `data` that only this user can read (0600), atomically.

    Missing parents are created 0700. FileError, before anything is written, if `path` or its directory is a symbolic
    link, or if the directory belongs to another user or others can write to it.
    """
    target = Path(path)
    ensure_dir(target.parent)
    with _opened_directory(target.parent, _DIRECTORY | os.O_NOFOLLOW) as parent:
        facts = os.fstat(parent)
        if facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
            hint = f"chmod go-w {target.parent}, and make sure it is yours"
            raise FileError(f"others can write to the directory of a secret: {target.parent}", hint=hint)
        with contextlib.suppress(FileNotFoundError):
            present = os.stat(target.name, dir_fd=parent, follow_symlinks=False)
            if not stat.S_ISREG(present.st_mode):
                raise FileError(f"not a regular file: {target}", hint=f"remove {target}")
        _replace(target, parent, data, 0o600, durable=durable)


def sync_path(path: str | os.PathLike[str], *, data_only: bool = False) -> None:
    """Wait until a file or directory is on disk, whichever process wrote it; a link at `path` is not followed.

    A directory is synced for the names in it, after a file was created, renamed or removed. `data_only` leaves out
    metadata that reading does not need. Raises OSError.
    """
    descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        (os.fdatasync if data_only else os.fsync)(descriptor)
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def _opened_directory(path: Path, flags: int) -> Iterator[int]:
    try:
        descriptor = os.open(path, flags)
    except OSError as error:
        raise FileError(f"cannot use directory {path}: {error.strerror}", hint="create it, or name another") from error
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _replace(target: Path, parent: int, data: bytes | str, mode: int, *, durable: bool) -> None:
    content = data.encode() if isinstance(data, str) else data
    # Cut, so that the longest file name (255 bytes) still leaves room for the rest.
    temporary = f".{target.name[:180]}.{os.urandom(6).hex()}.tmp"
    try:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(temporary, flags, 0o600, dir_fd=parent)
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                os.fchmod(file.fileno(), mode)
                file.flush()
                if durable:
                    os.fsync(file.fileno())
            os.rename(temporary, target.name, src_dir_fd=parent, dst_dir_fd=parent)
        except BaseException:
            with contextlib.suppress(OSError):
                os.unlink(temporary, dir_fd=parent)
            raise
        if durable:  # the rename, too, is lost in a power cut until the directory is on disk
            os.fsync(parent)
    except OSError as error:
        raise FileError(f"cannot write {target}: {error.strerror}") from error
