"""A lock between processes (and threads), bound to a file."""

from __future__ import annotations

import fcntl
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Self

from terok_util.errors import FileError, LockTimeout

_FIRST_PAUSE = 0.005
_LONGEST_PAUSE = 0.1


class FileLock:
    """Exclusive lock on the file `path`, held inside a `with` block; it ends with the process at the latest.

    `timeout` is in seconds: None waits forever, 0 tries once; LockTimeout is raised when it runs out. The file (0600,
    created if missing, never through a link) stays and contains the holder's process id. The lock is not reentrant.
    """

    def __init__(self, path: str | os.PathLike[str], timeout: float | None = None) -> None:
        self.path = Path(path)
        self.timeout = timeout
        self._descriptor = -1

    def __enter__(self) -> Self:
        if self._descriptor >= 0:
            raise FileError(f"lock is already held here: {self.path}")
        try:
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            descriptor = os.open(self.path, flags, 0o600)
        except OSError as error:
            raise FileError(f"cannot open lock {self.path}: {error.strerror}") from error
        try:
            self._acquire(descriptor)
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
        except BaseException:
            os.close(descriptor)
            raise
        self._descriptor = descriptor
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        descriptor, self._descriptor = self._descriptor, -1
        os.close(descriptor)

    def _acquire(self, descriptor: int) -> None:
        if self.timeout is None:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            return
        # flock has no time-out, and a signal to end it would reach the whole process: try again and again.
        deadline = time.monotonic() + self.timeout
        pause = _FIRST_PAUSE
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                rest = deadline - time.monotonic()
                if rest <= 0:
                    raise self._held(descriptor) from None
                time.sleep(min(pause, rest))
                pause = min(pause * 2, _LONGEST_PAUSE)
            else:
                return

    def _held(self, descriptor: int) -> LockTimeout:
        holder = os.pread(descriptor, 20, 0).decode("ascii", "replace").strip()
        by = f"process {holder}" if holder.isdecimal() else "another process"
        return LockTimeout(f"{self.path} is locked by {by}", hint="wait for it to finish, then try again")
