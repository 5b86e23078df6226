"""Lines that an editor has still to be sent: one queue in order, bounded per session.

A session that an editor does not take up fast enough is left to the transcript: the queue says so once, and whoever
fills it goes on from there later.
"""

from __future__ import annotations

from collections import deque
from typing import Final

MOST_PER_SESSION: Final = 1 << 20
"""Bytes of one session that wait for one editor."""
MOST: Final = 4 << 20
"""Bytes of all sessions that wait for one editor."""


class Outbox:
    """Lines that wait for one editor."""

    __slots__ = ("_lines", "_per_session", "size")

    def __init__(self) -> None:
        self._lines: deque[tuple[bytes, str]] = deque()
        self._per_session: dict[str, int] = {}
        self.size = 0

    def __bool__(self) -> bool:
        return bool(self._lines)

    def fits(self, session: str, length: int) -> bool:
        """Tell whether a session may have so many more bytes here; a first line always may."""
        mine = self._per_session.get(session, 0)
        return mine == 0 or (mine + length <= MOST_PER_SESSION and self.size + length <= MOST)

    def put(self, line: bytes, session: str = "") -> None:
        """Add a line at the end."""
        self._lines.append((line, session))
        self.size += len(line)
        self._per_session[session] = self._per_session.get(session, 0) + len(line)

    def waiting(self, session: str) -> int:
        """Return how many bytes of a session wait."""
        return self._per_session.get(session, 0)

    def take(self, most: int) -> bytes:
        """Remove lines from the front, at least one and about `most` bytes."""
        out: list[bytes] = []
        length = 0
        while self._lines and (not out or length < most):
            line, session = self._lines.popleft()
            out.append(line)
            length += len(line)
            left = self._per_session[session] - len(line)
            if left:
                self._per_session[session] = left
            else:
                del self._per_session[session]
        self.size -= length
        return b"".join(out)
