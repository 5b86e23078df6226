"""The bounded log of one supervisor and its workers: the current file and one before it."""

from __future__ import annotations

import os
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from terok_util.text import safe_text

LIMIT: Final = 1024 * 1024  # bytes per file


class LogFile:
    """Appends text, made harmless, to a 0600 file; a full disk or a missing directory never raises."""

    def __init__(self, path: Path, *, limit: int = LIMIT) -> None:
        self._path = path
        self._limit = limit
        self._descriptor: int | None = None

    def note(self, message: str) -> None:
        """Write one line of the supervisor's own."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.write(f"{now} supervisor[{os.getpid()}]: {message}\n".encode())

    def write(self, data: bytes) -> None:
        """Write what a worker said."""
        with suppress(OSError):
            descriptor = self._open()
            os.write(descriptor, safe_text(data, multiline=True).encode())
            if os.fstat(descriptor).st_size > self._limit:
                self.close()
                self._path.replace(self._path.with_name(self._path.name + ".1"))

    def close(self) -> None:
        """Close the file; the next write opens it again."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None

    def _open(self) -> int:
        if self._descriptor is None:
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            self._descriptor = os.open(self._path, flags, 0o600)
        return self._descriptor
