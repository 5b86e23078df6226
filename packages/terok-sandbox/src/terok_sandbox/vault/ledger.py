"""The credential audit: a request is released only when its row is written, and rows are synced soon after.

Written means that the kernel has taken the row, whole: it outlives the broker and everything a container can cause.
Against a power cut, a thread writes the file out at most SYNC_SECONDS later; when that fails, nothing more is released
until it succeeds. The row of a request that has ended is written with the next row, or before the event loop waits.
"""

from __future__ import annotations

import asyncio
import itertools
import logging
import os
import secrets
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from terok_sandbox.audit import AuditLog
from terok_sandbox.errors import AuditError
from terok_sandbox.vault.exchange import Exchange
from terok_sandbox.vault.refusal import VaultRefusal

_log = logging.getLogger(__name__)

MAX_PATH: Final = 1024
SYNC_SECONDS: Final = 0.1


class Ledger:
    """Writes one container's credential audit. Used from one event loop, inside of which it is made."""

    def __init__(self, path: Path, container: str) -> None:
        self._path = path
        self._log = AuditLog(path, container=container)
        self._run = secrets.token_hex(3)
        self._numbers = itertools.count(1)
        self._loop = asyncio.get_running_loop()
        self._waiting: list[str] = []
        self._dirty = False
        self._syncing = False
        self._failure: str | None = None
        self._timer: asyncio.TimerHandle | None = None

    def begin(self) -> Exchange:
        """Return a new exchange with a number of its own."""
        return Exchange(f"{self._run}-{next(self._numbers)}")

    def release(self, exchange: Exchange) -> VaultRefusal | None:
        """Write the row that must be there before anything is dialed; a refusal if it cannot be."""
        try:
            self.check()
            self.write("request", **_asked(exchange), verdict="released")
        except AuditError as error:
            _log.error("nothing is released without its audit row: %s", error.message)
            return VaultRefusal(503, "audit_unavailable", "the audit cannot be written", error.hint)
        return None

    def refuse(self, exchange: Exchange, refusal: VaultRefusal) -> None:
        """Write the row of a request that is not forwarded."""
        try:
            self.write("request", **_asked(exchange), verdict="refused", status=refusal.status, reason=refusal.reason)
        except AuditError as error:
            _log.error("%s", error.message)

    def finish(self, exchange: Exchange) -> None:
        """Take the row of a released request that has come to its end, whatever end."""
        exchange.over = True
        exchange.traffic.end(exchange.outcome)
        row = self._log.row(
            "response",
            {
                "request": exchange.number,
                "token_id": exchange.token_id,
                "provider": exchange.provider,
                "status": exchange.status,
                "bytes": exchange.traffic.received,
                "sent_bytes": exchange.traffic.sent,
                "duration_ms": round((time.monotonic() - exchange.started) * 1000, 3),
                "outcome": exchange.outcome,
            },
        )
        if not self._waiting:
            self._loop.call_soon(self._write_waiting)
        self._waiting.append(row)

    def write(self, action: str, **fields: Any) -> None:
        """Append a row behind those that wait; on an AuditError what it announces must not happen."""
        self._append((*self._waiting, self._log.row(action, fields)))

    def check(self) -> None:
        """Raise AuditError if rows did not reach the disk and nothing has reached it since."""
        if self._failure is not None:
            raise AuditError(f"{self._path}: {self._failure}", hint="free some disk space")

    def close(self) -> None:
        """Write what waits and close the file."""
        self._write_waiting()
        self._log.close()
        if self._timer is not None:
            self._timer.cancel()
        if self._dirty:
            self._dirty = False  # a write-out that is still running must not begin another one
            with suppress(OSError):
                _write_out(self._path)

    def _write_waiting(self) -> None:
        if self._waiting:
            try:
                self._append(self._waiting)
            except AuditError as error:
                _log.error("%s", error.message)

    def _append(self, rows: Sequence[str]) -> None:
        self._waiting = []
        self._log.append_rows(rows)
        self._dirty = True
        if not self._syncing:
            self._syncing = True
            self._timer = self._loop.call_later(SYNC_SECONDS, self._sync)

    def _sync(self) -> None:
        self._dirty = False
        self._loop.run_in_executor(None, _write_out, self._path).add_done_callback(self._synced)

    def _synced(self, writing: asyncio.Future[None]) -> None:
        error = None if writing.cancelled() else writing.exception()
        self._failure = None if error is None else str(getattr(error, "strerror", None) or error)
        self._syncing = self._dirty or error is not None
        if self._syncing:
            self._timer = self._loop.call_later(SYNC_SECONDS, self._sync)


def _asked(exchange: Exchange) -> dict[str, str]:
    return {
        "request": exchange.number,
        "token_id": exchange.token_id,
        "provider": exchange.provider,
        "method": exchange.method,
        "path": exchange.path,
    }


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
