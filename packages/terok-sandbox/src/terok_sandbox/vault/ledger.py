"""The credential audit with group commit: a request is released only when its row is on disk.

Rows of requests that arrive together share one write-out. It is done in place as long as the disk answers within
SLOW_SECONDS, because handing it to a thread costs more than that; when the disk is slower, a thread does it for the
next SLOW_SPELL seconds, and the event loop goes on.
"""

from __future__ import annotations

import asyncio
import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, Final

from terok_sandbox.audit import AuditLog
from terok_sandbox.errors import AuditError

if TYPE_CHECKING:
    from pathlib import Path

MAX_PATH: Final = 1024
SLOW_SECONDS: Final = 0.002
SLOW_SPELL: Final = 1.0


class Ledger:
    """Writes one container's credential audit. Used from one event loop."""

    def __init__(self, path: Path, container: str) -> None:
        self._path = path
        self._log = AuditLog(path, container=container)
        self._thread: ThreadPoolExecutor | None = None
        self._waiting: list[asyncio.Future[None]] = []
        self._scheduled = False
        self._slow_until = 0.0

    def note(self, action: str, **fields: Any) -> None:
        """Append a row without waiting for the disk.

        Raises:
            AuditError: the row could not be written.

        """
        self._log.append(action, **fields)

    async def commit(self, action: str, **fields: Any) -> None:
        """Append a row and return when it is on disk.

        Raises:
            AuditError: it could not be written: whatever it announces must not happen.

        """
        self._log.append(action, **fields)
        loop = asyncio.get_running_loop()
        done = loop.create_future()
        self._waiting.append(done)
        if not self._scheduled:
            self._scheduled = True
            loop.call_soon(self._flush)
        await done

    def close(self) -> None:
        """Close the file."""
        self._log.close()
        if self._thread is not None:
            self._thread.shutdown(wait=False)

    def _flush(self) -> None:
        """Write out what has been appended so far; what is appended meanwhile waits for the next time."""
        batch, self._waiting = self._waiting, []
        started = time.monotonic()
        if started < self._slow_until:
            self._thread = self._thread or ThreadPoolExecutor(1, "audit")
            loop = asyncio.get_running_loop()
            writing = loop.run_in_executor(self._thread, _write_out, self._path)
            writing.add_done_callback(lambda done: self._written(batch, done.exception()))
            return
        error: BaseException | None = None
        try:
            _write_out(self._path)
        except OSError as exc:
            error = exc
        if (now := time.monotonic()) - started > SLOW_SECONDS:
            self._slow_until = now + SLOW_SPELL
        self._written(batch, error)

    def _written(self, batch: list[asyncio.Future[None]], error: BaseException | None) -> None:
        for done in batch:
            if done.done():
                continue
            if error is None:
                done.set_result(None)
            else:
                text = error.strerror if isinstance(error, OSError) else None
                done.set_exception(AuditError(f"{self._path}: {text or error}", hint="free some disk space"))
        self._scheduled = bool(self._waiting)
        if self._scheduled:
            asyncio.get_running_loop().call_soon(self._flush)


def _write_out(path: Path) -> None:
    """Write the file's data out. This works on the file, whichever descriptor wrote to it."""
    descriptor = os.open(path, os.O_WRONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        os.fdatasync(descriptor)
    finally:
        os.close(descriptor)
