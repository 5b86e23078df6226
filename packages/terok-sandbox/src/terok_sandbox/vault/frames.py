"""WebSocket frames (RFC 6455): data frames as a stream of pieces, control frames whole."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

CONTINUATION: Final = 0x0
TEXT: Final = 0x1
BINARY: Final = 0x2
CLOSE: Final = 0x8
PING: Final = 0x9
PONG: Final = 0xA
_DATA = frozenset({CONTINUATION, TEXT, BINARY})
CONTROL = frozenset({CLOSE, PING, PONG})
MAX_LENGTH: Final = 1 << 40
MAX_PIECES: Final = 256
"""Pieces returned at once: frames without content are many in few bytes."""
_MAX_HEAD = 14


class FrameError(ValueError):
    """Bytes that are no WebSocket frames; answered with close code 1002."""


@dataclass(frozen=True, slots=True)
class Piece:
    """A control frame, or a part of a message: `opcode` is that of the message's first frame, `last` its end."""

    opcode: int
    data: bytes
    last: bool


class FrameReader:
    """Reads the frames of one direction; `masked` says whether they must be (a client's) or must not be."""

    def __init__(self, *, masked: bool) -> None:
        self._masked = masked
        self._data = b""
        self._at = 0
        self._opcode = -1
        self._message = -1
        self._final = False
        self._remaining = 0
        self._key = b""
        self._offset = 0

    def feed(self, data: bytes) -> list[Piece]:
        """Return the pieces that `data` completes, MAX_PIECES at most; raises FrameError.

        With as many there may be more: feed b"" to get them. Payload of data frames is passed as it comes.
        """
        if data:
            self._data = self._data[self._at :] + data if self._at < len(self._data) else data
            self._at = 0
        pieces: list[Piece] = []
        while len(pieces) < MAX_PIECES and (self._opcode >= 0 or self._head()):
            if self._opcode in CONTROL and len(self._data) - self._at < self._remaining:
                break
            taken = self._data[self._at : self._at + self._remaining]
            if not taken and self._remaining:
                break
            self._at += len(taken)
            self._remaining -= len(taken)
            ended = self._remaining == 0
            pieces.append(Piece(self._message if self._opcode in _DATA else self._opcode, self._unmask(taken),
                                ended and self._final))  # fmt: skip
            if ended:
                if self._opcode in _DATA and self._final:
                    self._message = -1
                self._opcode = -1
        if self._at == len(self._data):
            self._data, self._at = b"", 0
        return pieces

    def _head(self) -> bool:
        data = self._data[self._at : self._at + _MAX_HEAD]
        if len(data) < 2:
            return False
        first, second = data[0], data[1]
        self._check(first, second)
        length, start = second & 0x7F, 2
        if length > 125:
            start = 4 if length == 126 else 10
            length = int.from_bytes(data[2:start], "big")
        end = start + (4 if self._masked else 0)
        if len(data) < end:
            return False
        if length > MAX_LENGTH:
            raise FrameError("a frame is too long")
        self._key, self._offset = data[start:end], 0
        self._opcode, self._final, self._remaining = first & 0xF, bool(first & 0x80), length
        if self._opcode in (TEXT, BINARY):
            self._message = self._opcode
        self._at += end
        return True

    def _check(self, first: int, second: int) -> None:
        opcode = first & 0xF
        if first & 0x70 or opcode not in _DATA | CONTROL:
            raise FrameError("a frame of an extension")
        if bool(second & 0x80) != self._masked:
            raise FrameError("a frame is masked on the wrong side")
        if opcode in CONTROL and (second & 0x7F > 125 or not first & 0x80):
            raise FrameError("a control frame is too long or fragmented")
        if opcode in _DATA and (opcode == CONTINUATION) != (self._message >= 0):
            raise FrameError("a message begins inside another one, or goes on without a beginning")

    def _unmask(self, data: bytes) -> bytes:
        if not self._masked or not data:
            return data
        shift = self._offset % 4
        self._offset += len(data)
        return mask(data, self._key[shift:] + self._key[:shift])


def mask(data: bytes, key: bytes) -> bytes:
    """Return `data` exclusive-or the repeated four bytes of `key`."""
    size = len(data)
    stream = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(data, "little") ^ int.from_bytes(stream, "little")).to_bytes(size, "little")


def frame(opcode: int, data: bytes, *, last: bool = True, key: bytes = b"") -> bytes:
    """Return one frame; with a `key` of four bytes it is masked."""
    flag = 0x80 if key else 0
    size = len(data)
    head = bytes([opcode | (0x80 if last else 0)])
    if size < 126:
        head += bytes([flag | size])
    elif size < 1 << 16:
        head += bytes([flag | 126]) + size.to_bytes(2, "big")
    else:
        head += bytes([flag | 127]) + size.to_bytes(8, "big")
    return head + key + mask(data, key) if key else head + data
