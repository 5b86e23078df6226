"""Lines of bytes to frames and back, with limits on length and depth.

A line that breaks a rule costs that line, never the connection: it becomes a `Violation` with the error to answer.
"""

from __future__ import annotations

import json
from typing import Any, Final, NamedTuple, NoReturn

from terok_acp.errors import FrameError
from terok_acp.protocol.frames import INVALID_REQUEST, PARSE_ERROR, Frame

FROM_EDITOR: Final = 32 << 20
"""Bytes of the longest frame that an editor may send."""
TO_EDITOR: Final = 8 << 20
"""Bytes of the longest frame that an editor is sent: one client cuts the connection at 10 MiB."""
DEEPEST: Final = 64
"""Levels of nesting."""


class Violation(NamedTuple):
    """A line that breaks a rule, and what to answer."""

    code: int
    message: str


class FrameReader:
    """Cuts a stream of bytes into frames; holds at most one line of `limit` bytes."""

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._pieces: list[bytes] = []
        self._held = 0
        self._skipping = False

    def feed(self, data: bytes) -> list[Frame | Violation]:
        """Take the next bytes and return the frames that they complete."""
        lines = data.split(b"\n")
        out: list[Frame | Violation] = []
        for piece in lines[:-1]:
            if self._skipping:
                self._skipping = False
                continue
            line = piece
            if self._pieces:
                line = b"".join([*self._pieces, piece])
                self._pieces, self._held = [], 0
            if len(line) > self._limit:
                out.append(self._too_long())
            elif line and not line.isspace():
                out.append(decode(line))
        self._keep(lines[-1], out)
        return out

    def _keep(self, rest: bytes, out: list[Frame | Violation]) -> None:
        if not rest or self._skipping:
            return
        self._held += len(rest)
        if self._held <= self._limit:
            self._pieces.append(rest)
            return
        self._pieces, self._held, self._skipping = [], 0, True
        out.append(self._too_long())

    def _too_long(self) -> Violation:
        return Violation(INVALID_REQUEST, f"frame is longer than {self._limit} bytes")


def decode(line: bytes) -> Frame | Violation:
    """Read one line."""
    try:
        value = _DECODER.decode(line.decode("utf-8").strip())
    except (ValueError, RecursionError):
        return Violation(PARSE_ERROR, "frame is not valid JSON")
    if type(value) is not dict:
        return Violation(INVALID_REQUEST, "frame is not an object")
    if line.count(b"{") + line.count(b"[") > DEEPEST and _is_deeper(value, DEEPEST):
        return Violation(INVALID_REQUEST, f"frame is nested deeper than {DEEPEST} levels")
    if "id" in value and not _is_id(value["id"]):
        return Violation(INVALID_REQUEST, "id is neither a number nor text")
    if "method" in value:
        if type(value["method"]) is not str:
            return Violation(INVALID_REQUEST, "method is not text")
    elif "id" not in value or ("result" not in value and "error" not in value):
        return Violation(INVALID_REQUEST, "frame is neither request nor answer")
    return value


def encode(frame: Frame) -> bytes:
    """Write one line; raises FrameError for what some peers cannot read."""
    return encoded(frame) + b"\n"


def encoded(value: Frame) -> bytes:
    """Write an object as JSON without a line end; raises FrameError for numbers and characters that are none."""
    try:
        return _ENCODER.encode(value).encode("utf-8")
    except (ValueError, RecursionError) as error:
        raise FrameError("a frame cannot have NaN, infinity or half of a character in it") from error


def _is_id(value: Any) -> bool:
    return value is None or type(value) in (int, str, float)


def _is_deeper(value: Any, limit: int) -> bool:
    level = [value]
    for _ in range(limit):
        level = [child for parent in level for child in _children(parent)]
        if not level:
            return False
    return True


def _children(value: Any) -> list[Any]:
    if type(value) is dict:
        return [child for child in value.values() if type(child) in (dict, list)]
    if type(value) is list:
        return [child for child in value if type(child) in (dict, list)]
    return []


def _refuse(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse)
_ENCODER: Final = json.JSONEncoder(ensure_ascii=False, check_circular=False, allow_nan=False, separators=(",", ":"))
