"""Following one answer to find its usage: a JSON document or an event stream, of any vendor known to `counts`."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from terok_sandbox.vault.usage.counts import Usage, intricate, usage_of
from terok_sandbox.vault.usage.sse import EventReader

if TYPE_CHECKING:
    from collections.abc import Mapping

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
