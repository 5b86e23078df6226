"""Body framing: how many bytes follow a head, and which of them are content."""

from __future__ import annotations

import re
from enum import Enum, auto
from typing import Final

from terok_sandbox.http1.head import BrokenOff, HttpSyntaxError, ResponseHead

MAX_CHUNK_LINE: Final = 1024
MAX_TRAILERS: Final = 8 * 1024
LAST_CHUNK: Final = b"0\r\n\r\n"
_CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e]*)?")
_DIGITS = re.compile(rb"[0-9]{1,18}")
_BODILESS = frozenset({204, 304})


class LengthBody:
    """As many bytes as Content-Length says.

    As in the other framings `feed` returns the content in the data and what belongs to the next message.
    """

    def __init__(self, length: int) -> None:
        self.length = self.remaining = length
        self.done = length == 0

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Pass bytes until the length is reached."""
        if len(data) < self.remaining:
            self.remaining -= len(data)
            return data, b""
        content, rest = data[: self.remaining], data[self.remaining :]
        self.remaining, self.done = 0, True
        return content, rest

    def end(self) -> None:
        """Raise BrokenOff unless done."""
        if not self.done:
            raise BrokenOff("the body is shorter than announced")


class UntilEndBody:
    """Everything until the connection ends: answers only."""

    done = False

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Pass everything."""
        return data, b""

    def end(self) -> None:
        """Take the end for the end."""
        self.done = True


class _Expected(Enum):
    """The part of a chunked body that comes next."""

    SIZE = auto()
    CONTENT = auto()
    CONTENT_END = auto()
    TRAILERS = auto()


class ChunkedBody:
    """Chunked framing. Chunk extensions and trailers are read and dropped."""

    def __init__(self) -> None:
        self.done = False
        self._expected = _Expected.SIZE
        self._remaining = 0
        self._trailer_bytes = 0
        self._pending = b""

    def feed(self, data: bytes) -> tuple[bytes, bytes]:
        """Take the frames off; a chunk passes in the pieces in which it came."""
        content: list[bytes] = []
        if self._pending:
            data, self._pending = self._pending + data, b""
        position = 0
        while not self.done:
            if self._expected is _Expected.CONTENT:
                piece = data[position : position + self._remaining]
                if not piece:
                    break
                content.append(piece)
                position += len(piece)
                self._remaining -= len(piece)
                if self._remaining == 0:
                    self._expected = _Expected.CONTENT_END
            elif self._expected is _Expected.CONTENT_END:
                if len(data) - position < 2:
                    self._pending = data[position:]
                    break
                if data[position : position + 2] != b"\r\n":
                    raise HttpSyntaxError("a chunk is longer than announced")
                position += 2
                self._expected = _Expected.SIZE
            else:
                line_end = data.find(b"\n", position)
                if line_end < 0:
                    self._pending = data[position:]
                    if len(self._pending) > MAX_CHUNK_LINE:
                        raise HttpSyntaxError("a line of the chunked framing is too long")
                    break
                self._read_line(data[position : line_end + 1])
                position = line_end + 1
        rest = data[position:] if self.done else b""
        return (content[0] if len(content) == 1 else b"".join(content)), rest

    def end(self) -> None:
        """Raise BrokenOff unless done."""
        if not self.done:
            raise BrokenOff("the body broke off between its chunks")

    def _read_line(self, line: bytes) -> None:
        if not line.endswith(b"\r\n") or len(line) > MAX_CHUNK_LINE or b"\r" in line[:-2]:
            raise HttpSyntaxError("a line of the chunked framing is malformed")
        if self._expected is _Expected.TRAILERS:
            self._trailer_bytes += len(line)
            if self._trailer_bytes > MAX_TRAILERS:
                raise HttpSyntaxError("the trailers are too large")
            if line == b"\r\n":
                self.done = True
            elif line[:1] in b" \t" or b":" not in line:
                raise HttpSyntaxError("a trailer is malformed")
            return
        match = _CHUNK_LINE.fullmatch(line[:-2])
        if match is None:
            raise HttpSyntaxError("a chunk has no usable size")
        self._remaining = int(match[1], 16)
        self._expected = _Expected.CONTENT if self._remaining else _Expected.TRAILERS


Body = LengthBody | UntilEndBody | ChunkedBody


def chunk(data: bytes) -> bytes:
    """Return `data`, which is not empty, as one chunk."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def request_body(length: int | None, *, chunked: bool) -> Body | None:
    """Return the framing of a request's body, None if there is none."""
    if chunked:
        return ChunkedBody()
    return LengthBody(length) if length else None


def content_length(head: ResponseHead) -> int | None:
    """Return the value of an answer's Content-Length; raises HttpSyntaxError."""
    value = head.get(b"content-length")
    if value is None:
        return None
    if not _DIGITS.fullmatch(value):
        raise HttpSyntaxError("the answer has an unusable Content-Length")
    return int(value)


def response_body(head: ResponseHead, method: str) -> Body | None:
    """Return the framing of an answer's body, None if it has none; raises HttpSyntaxError."""
    length = content_length(head)
    encoding = head.get(b"transfer-encoding")
    if encoding is not None and (encoding.lower() != b"chunked" or length is not None or head.minor == 0):
        raise HttpSyntaxError("the answer has contradictory or unknown framing")
    if method == "HEAD" or head.status in _BODILESS:
        return None
    if encoding is not None:
        return ChunkedBody()
    return UntilEndBody() if length is None else LengthBody(length)
