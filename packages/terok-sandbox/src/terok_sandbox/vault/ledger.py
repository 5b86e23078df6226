"""The credential audit: a request is released only when its row is written, and rows are synced soon after.

Written means that the kernel has taken the row, whole: it outlives the broker and everything a container can cause.
Against a power cut, a thread writes the file out to the disk at most SYNC_SECONDS later, one write-out for all rows
that came meanwhile. When that fails, nothing more is released until one succeeds.
"""

from __future__ import annotations

import asyncio
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from terok_sandbox.audit import AuditLog
from terok_sandbox.errors import AuditError

if TYPE_CHECKING:
    from pathlib import Path

MAX_PATH: Final = 1024
SYNC_SECONDS: Final = 0.1


class Ledger:
    """Writes one container's credential audit. Used from one event loop, inside of which it is made."""

    def __init__(self, path: Path, container: str) -> None:
        self._path = path
        self._log = AuditLog(path, container=container)
        self._loop = asyncio.get_running_loop()
        self._dirty = False
        self._syncing = False
        self._failure: str | None = None
        self._timer: asyncio.TimerHandle | None = None

    def write(self, action: str, **fields: Any) -> None:
        """Append a row.

        Raises:
            AuditError: it could not be written whole: what it announces must not happen.

        """
        self._log.append(action, **fields)
        self._dirty = True
        if not self._syncing:
            self._syncing = True
            self._timer = self._loop.call_later(SYNC_SECONDS, self._sync)

    def check(self) -> None:
        """Raise AuditError if rows did not reach the disk and nothing has reached it since."""
        if self._failure is not None:
            raise AuditError(f"{self._path}: {self._failure}", hint="free some disk space")

    def close(self) -> None:
        """Close the file."""
        self._log.close()
        if self._timer is not None:
            self._timer.cancel()
        if self._dirty:
            with suppress(OSError):
                _write_out(self._path)

    def _sync(self) -> None:
        self._dirty = False
        self._loop.run_in_executor(None, _write_out, self._path).add_done_callback(self._synced)

    def _synced(self, writing: asyncio.Future[None]) -> None:
        error = None if writing.cancelled() else writing.exception()
        self._failure = None if error is None else str(getattr(error, "strerror", None) or error)
        self._syncing = self._dirty or error is not None
        if self._syncing:
            self._timer = self._loop.call_later(SYNC_SECONDS, self._sync)


def _write_out(path: Path) -> None:
    """Write the file's data out. This works on the file, whichever descriptor wrote to it."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        return  # moved away: the next row finds that out, and says so
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
