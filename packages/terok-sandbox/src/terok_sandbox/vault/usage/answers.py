"""Usage in the answers of the vendors: found in a JSON document or an event stream, reduced to one form. Pure.

Anything unexpected in a field counts as nothing.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Any, Final

MAX_COUNT: Final = 2**40
MAX_MODEL: Final = 128
MAX_HOLDERS: Final = 100_000
MAX_VALUES: Final = 1_000_000


def intricate(text: bytes) -> bool:
    """Tell whether reading a JSON text would hold up everybody else for too long, for all the values in it."""
    return text.count(b"{") + text.count(b"[") > MAX_HOLDERS or text.count(b",") > MAX_VALUES


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens of one exchange. `input` excludes what was read from or written to the vendor's prompt cache.

    `cache_write` are tokens kept for the usual time, `cache_write_1h` for an hour. `reasoning` is the part of `output`
    that was thought and not said, as far as the vendor tells. `tier` is the service tier that was used, `searches` how
    often the vendor looked into the web. `final` says that the vendor has finished counting.
    """

    model: str = ""
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    cache_write_1h: int = 0
    tier: str = ""
    searches: int = 0
    final: bool = False
    reasoning: int = 0

    @property
    def tokens(self) -> int:
        """All tokens together."""
        return self.input + self.output + self.cache_read + self.cache_write + self.cache_write_1h


def usage_of(document: Any, before: Usage | None = None) -> Usage | None:
    """Return the usage after a whole answer, or after one event of a stream that follows `before`.

    Known are Anthropic Messages, OpenAI Responses, OpenAI Chat Completions, Mistral and Gemini. Counts of a stream are
    cumulative: a later event replaces what an earlier one said. None as long as nothing was said.
    """
    if not isinstance(document, dict):
        return before
    holder = next((document[key] for key in ("message", "response") if isinstance(document.get(key), dict)), document)
    usage = holder.get("usage")
    if not isinstance(usage, dict):
        usage = document.get("usage")
    model = holder.get("model", holder.get("modelVersion"))
    known = before or Usage()
    if isinstance(model, str) and model:
        known = replace(known, model=model[:MAX_MODEL])
    if isinstance(holder.get("usageMetadata"), dict):
        return _gemini(known, holder)
    if not isinstance(usage, dict):
        return known if known.model or before else None
    known = replace(known, tier=_tier(holder, usage) or known.tier, final=document.get("type") != "message_start")
    if "prompt_tokens" in usage or "completion_tokens" in usage:
        return _inclusive(known, usage, "prompt_tokens", "completion_tokens", usage.get("prompt_tokens_details"))
    if "input_tokens_details" in usage or document.get("object") == "response" or "response" in document:
        return _inclusive(known, usage, "input_tokens", "output_tokens", usage.get("input_tokens_details"))
    return _anthropic(known, usage)


def _anthropic(known: Usage, usage: dict[str, Any]) -> Usage:
    written = _count(usage, "cache_creation_input_tokens", known.cache_write + known.cache_write_1h)
    kept, tools = usage.get("cache_creation"), usage.get("server_tool_use")
    for_hour = _count(kept, "ephemeral_1h_input_tokens", 0) if isinstance(kept, dict) else known.cache_write_1h
    return replace(
        known,
        input=_count(usage, "input_tokens", known.input),
        output=_count(usage, "output_tokens", known.output),
        cache_read=_count(usage, "cache_read_input_tokens", known.cache_read),
        cache_write=max(0, written - for_hour),
        cache_write_1h=for_hour,
        searches=_count(tools, "web_search_requests", known.searches) if isinstance(tools, dict) else known.searches,
    )


def _gemini(known: Usage, holder: dict[str, Any]) -> Usage:
    usage = holder["usageMetadata"]
    counted = _inclusive(known, usage, "promptTokenCount", "candidatesTokenCount", usage, "cachedContentTokenCount")
    thought = _count(usage, "thoughtsTokenCount", 0)
    made = _count(usage, "candidatesTokenCount", 0) + thought
    candidates = holder.get("candidates")
    ends = isinstance(candidates, list) and any(isinstance(one, dict) and "finishReason" in one for one in candidates)
    return replace(
        counted,
        input=counted.input + _count(usage, "toolUsePromptTokenCount", 0),
        output=made or known.output,
        reasoning=thought or known.reasoning,
        final=ends or known.final,
    )


def _inclusive(
    known: Usage, usage: dict[str, Any], sent: str, made: str, details: object, read: str = "cached_tokens"
) -> Usage:
    """Read the form in which cached tokens are part of the input; `details` says how many they are under `read`.

    Some vendors leave what was thought in hiding out of the output and count it in the total only.
    """
    asked = _count(usage, sent, known.input + known.cache_read + known.cache_write)
    cached = written = 0
    if isinstance(details, dict):
        cached = min(_count(details, read, 0), asked)
        written = min(_count(details, "cache_write_tokens", 0), asked - cached)
    output = max(_count(usage, made, known.output), _count(usage, "total_tokens", 0) - asked)
    more = usage.get("completion_tokens_details", usage.get("output_tokens_details"))
    thought = min(_count(more, "reasoning_tokens", known.reasoning), output) if isinstance(more, dict) else 0
    return replace(
        known,
        input=asked - cached - written,
        cache_read=cached,
        cache_write=written,
        output=output,
        reasoning=thought or known.reasoning,
    )


def _tier(holder: dict[str, Any], usage: dict[str, Any]) -> str:
    if usage.get("speed") == "fast":
        return "fast"
    tier = holder.get("service_tier", usage.get("service_tier"))
    return tier[:16] if isinstance(tier, str) else ""


def _count(usage: dict[str, Any], key: str, otherwise: int) -> int:
    value = usage.get(key)
    return value if type(value) is int and 0 <= value <= MAX_COUNT else otherwise


MAX_EVENT: Final = 1024 * 1024
"""Bytes kept of one event or line; what is longer is dropped as a whole."""


class EventReader:
    """Splits a stream, however it is cut, into events: CR, LF or CRLF end a line, an empty one an event."""

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
"""Average for visible text."""
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
        with suppress(ValueError, RecursionError):
            self.usage = usage_of(json.loads(text), self.usage)
