"""Request and response heads: from bytes to names and values and back."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from http import HTTPStatus
from typing import Final

MAX_HEAD: Final = 96 * 1024
"""Bytes of a head, request or status line included."""
MAX_RESPONSE_HEADERS: Final = 512
_ODD = re.compile(rb"[^\x20-\x7e\t\r\n]")
_CONTROL = re.compile(rb"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")
_METHOD = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,32}")
_STATUS_LINE = re.compile(rb"HTTP/1\.([01]) ([1-9][0-9]{2})(?: [\t\x20-\xff]*)?")
_NAME = re.compile(rb"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,256}")

HTTP2_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\n"
"""How a client begins that speaks HTTP/2 without asking."""

Fields = list[tuple[bytes, bytes]]


class HttpSyntaxError(ValueError):
    """Bytes that are not the HTTP spoken here. The message never quotes them."""


class BrokenOff(HttpSyntaxError):
    """The connection ended in the middle of a message."""


@dataclass(slots=True)
class RequestHead:
    """`target` as it came; field names as they came; values without surrounding blanks; HTTP/1.`minor`."""

    method: str
    target: str
    minor: int
    fields: Fields


@dataclass(slots=True)
class ResponseHead:
    """A final answer's head. `names` are the field names in lower case, in the order of `fields`."""

    status: int
    minor: int
    fields: Fields
    names: list[bytes]
    raw: bytes
    """The head as it came."""

    def get(self, name: bytes) -> bytes | None:
        """Return the only value of a field, None if it is absent; raises HttpSyntaxError if it occurs twice."""
        count = self.names.count(name)
        if count > 1:
            raise HttpSyntaxError("a header of the answer that must be single is not")
        return self.fields[self.names.index(name)][1] if count else None

    def options(self) -> set[bytes]:
        """Return the header names that Connection lists, in lower case."""
        if b"connection" not in self.names:
            return set()
        values = [value for name, (_, value) in zip(self.names, self.fields, strict=True) if name == b"connection"]
        return {option.strip().lower() for value in values for option in value.split(b",")}


def read_request(head: bytes, *, obs_text: bool = False) -> RequestHead:
    """Read a head up to the empty line; raises HttpSyntaxError for all that is not exactly HTTP/1.0 or 1.1.

    With `obs_text` values may have bytes outside ASCII, as RFC 9110 permits for old programs.
    """
    if (_CONTROL if obs_text else _ODD).search(head):
        raise HttpSyntaxError("the request head has control or non-ASCII characters")
    line, fields = _split(head)
    parts = line.decode("ascii", "replace").split(" ")
    if len(parts) != 3 or not _METHOD.fullmatch(parts[0]) or not parts[1] or not parts[1].isascii():
        raise HttpSyntaxError("the request line is malformed")
    if parts[2] not in ("HTTP/1.1", "HTTP/1.0"):
        raise HttpSyntaxError("the request is not HTTP/1.1")
    return RequestHead(parts[0], parts[1], int(parts[2][-1]), fields)


def read_response(head: bytes) -> ResponseHead:
    """Read a head up to the empty line; values may have bytes outside ASCII; raises HttpSyntaxError."""
    if _CONTROL.search(head):
        raise HttpSyntaxError("the head of the answer has control characters")
    line, fields = _split(head)
    match = _STATUS_LINE.fullmatch(line)
    if match is None:
        raise HttpSyntaxError("the status line is malformed")
    if len(fields) > MAX_RESPONSE_HEADERS:
        raise HttpSyntaxError("the answer has too many headers")
    return ResponseHead(int(match[2]), int(match[1]), fields, [lower_name(name) for name, _ in fields], head)


@lru_cache(maxsize=1024)
def lower_name(name: bytes) -> bytes:
    """Return a field name in lower case; raises HttpSyntaxError for one with characters that a name cannot have."""
    if not _NAME.fullmatch(name):
        raise HttpSyntaxError("a header name is malformed")
    return name.lower()


def is_already_invalid(piece: bytes, *, request: bool) -> bool:
    """Whether a piece of a head that is still incomplete already has bytes that no head can have."""
    return (_ODD if request else _CONTROL).search(piece) is not None or b"\n\n" in piece


@lru_cache(maxsize=128)
def status_line(status: int) -> bytes:
    """Return our own status line: the reason is the registered one, whatever the upstream wrote."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = ""
    return f"HTTP/1.1 {status} {phrase}\r\n".encode("ascii")


def http2_refusal(message: str) -> bytes:
    """Return empty SETTINGS and a GOAWAY frame that says HTTP_1_1_REQUIRED: what such a client understands."""
    goaway = bytes(7) + b"\x0d" + message.encode("ascii")
    return bytes([0, 0, 0, 4, 0, 0, 0, 0, 0]) + len(goaway).to_bytes(3, "big") + bytes([7, 0, 0, 0, 0, 0]) + goaway


def _split(head: bytes) -> tuple[bytes, Fields]:
    lines = head[:-4].split(b"\r\n")
    fields: Fields = []
    if head.count(b"\r") != len(lines) + 1 or head.count(b"\n") != len(lines) + 1:
        raise HttpSyntaxError("a line of the head does not end with CR LF alone")
    for line in lines[1:]:
        name, colon, value = line.partition(b":")
        if not colon:
            raise HttpSyntaxError("a header line has no colon")
        fields.append((name, value.strip(b" \t")))
    return lines[0], fields
