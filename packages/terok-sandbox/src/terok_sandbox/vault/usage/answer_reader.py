"""Following one answer to find its usage: a JSON document or an event stream, of any vendor known to `counts`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from terok_sandbox.vault.usage.counts import Usage, intricate, usage_of

if TYPE_CHECKING:
    from collections.abc import Mapping

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


MAX_DOCUMENT: Final = 16 * 1024 * 1024
BYTES_PER_TOKEN: Final = 4
"""Of what a model visibly says."""
ENVELOPE: Final = 80
"""Bytes of a stream's event that are not what the model says, about."""


class AnswerReader:
    """Takes the body of one answer piece by piece, of a WebSocket message by message.

    `usage` is what was found so far, `spoken` about how many tokens the answer visibly brought.
    """

    def __init__(self) -> None:
        self.usage: Usage | None = None
        self.status = 0
        self.spoken = 0
        self._messages = False
        self._events: EventReader | None = None
        self._document: bytearray | None = None

    @property
    def said(self) -> bool:
        """Whether the answer stated token counts."""
        return self.usage is not None and self.usage.tokens > 0

    @property
    def held(self) -> int:
        """Bytes of a document that are kept until it is whole."""
        return len(self._document or b"")

    def give_up(self) -> None:
        """Forget the document: nothing will be known about it but its size."""
        self._document = None

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Take status and headers (lower-case names)."""
        self.status = status
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if status == 101:
            self._messages = True
        elif kind == "text/event-stream":
            self._events = EventReader()
        elif kind == "application/json" or kind.endswith("+json"):
            self._document = bytearray()

    def feed(self, data: bytes) -> None:
        """Take the next piece of the body."""
        if self._events is not None:
            for event in self._events.feed(data):
                self.spoken += max(1, (len(event) - ENVELOPE) // BYTES_PER_TOKEN)
                if b'"usage' in event or (self.usage is None and b'"model"' in event):
                    self._take(event)
            return
        self.spoken += len(data) // BYTES_PER_TOKEN
        if self._messages:
            if b'"usage' in data:
                self._take(data)
        elif self._document is not None:
            if len(self._document) + len(data) > MAX_DOCUMENT:
                self._document = None
            else:
                self._document += data

    def finish(self) -> Usage | None:
        """Return the usage once nothing more comes; a document that says one says it to its end."""
        if self._document is not None:
            if b'"usage' in self._document or b'"model' in self._document:
                self._take(bytes(self._document))
                if self.usage is not None and self.said:
                    self.usage = replace(self.usage, final=True)
            self._document = None
        return self.usage

    def _take(self, text: bytes) -> None:
        if intricate(text):
            return
        try:
            document = json.loads(text)
        except (ValueError, RecursionError):
            return
        self.usage = usage_of(document, self.usage)
