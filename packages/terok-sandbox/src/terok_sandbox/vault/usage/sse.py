"""Server-sent events, incrementally: bytes in as they come, data of whole events out, memory bounded."""

from __future__ import annotations

from typing import Final

MAX_EVENT: Final = 1024 * 1024
"""Bytes kept of one event or line; what is longer is dropped as a whole."""


class EventReader:
    """Splits a stream into events by the rules of the HTML standard: CR, LF or CRLF end a line, an empty one an event.

    The outcome does not depend on how the stream is cut into pieces.
    """

    def __init__(self, *, max_event: int = MAX_EVENT) -> None:
        self._max = max_event
        self._line = bytearray()
        self._data: list[bytes] = []
        self._size = 0
        self._overlong = False
        self._after_cr = False
        self._start = True

    def feed(self, piece: bytes) -> list[bytes]:
        """Take the next bytes and return the data of the events they complete."""
        events: list[bytes] = []
        if self._after_cr and piece:
            self._after_cr = False
            piece = piece.removeprefix(b"\n")
        self._after_cr = self._after_cr or piece.endswith(b"\r")
        # `splitlines` of bytes knows exactly the three line ends of the format.
        for part in piece.splitlines(keepends=True):
            line = part.rstrip(b"\r\n")
            if len(self._line) + len(line) > self._max:
                self._overlong = True
                self._line.clear()
            elif not self._overlong:
                self._line += line
            if len(line) != len(part):
                self._end_line(events)
        return events

    def _end_line(self, events: list[bytes]) -> None:
        line, overlong = bytes(self._line), self._overlong
        self._line.clear()
        self._overlong = False
        if self._start:
            self._start = False
            line = line.removeprefix(b"\xef\xbb\xbf")
        if overlong:
            self._size = self._max + 1
        elif not line:
            if self._data and self._size <= self._max:
                events.append(b"\n".join(self._data))
            self._data, self._size = [], 0
        elif line.startswith(b"data:"):
            value = line[5:].removeprefix(b" ")
            self._size += len(value) + 1
            if self._size <= self._max:
                self._data.append(value)
            else:
                self._data.clear()
