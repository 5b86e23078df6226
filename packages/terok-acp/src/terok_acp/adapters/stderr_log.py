"""The end of what an adapter writes to its standard error, in memory."""

from __future__ import annotations

import threading
from typing import Final

from terok_util import redact, safe_text

LIMIT: Final = 1 << 20
"""Bytes that are kept of one adapter."""
_SLACK: Final = 1 << 16


class StderrLog:
    """Takes bytes without end, keeps the last; written by one thread, read by others."""

    def __init__(self, limit: int = LIMIT) -> None:
        self._limit = limit
        self._held = bytearray()
        self._lock = threading.Lock()

    def add(self, data: bytes) -> None:
        """Take more output."""
        with self._lock:
            self._held += data[-self._limit :]
            if len(self._held) > self._limit + _SLACK:
                del self._held[: -self._limit]

    def tail(self, characters: int = 4000) -> str:
        """Return the last lines, fit for a terminal and without secrets that this process knows."""
        with self._lock:
            raw = bytes(self._held[-self._limit :])
        # Cut after masking: half of a secret would not be known for one.
        text = redact(raw.decode("utf-8", "replace")).rstrip()[-characters:]
        return safe_text(text, multiline=True)
