"""The first message of a TLS client, read for the name it asks for. Bytes in, value out, no I/O."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MAX_HELLO: Final = 32 * 1024
_MAX_RECORD: Final = 16384
_MAX_RECORDS: Final = 256
_HANDSHAKE, _CLIENT_HELLO, _SERVER_NAME = 22, 1, 0
_ENCRYPTED: Final = frozenset({0xFE0D, 0xFFCE})


class HelloError(Exception):
    """The bytes are not a TLS client hello."""


@dataclass(frozen=True, slots=True)
class Hello:
    """`name` is the server name as sent, `None` without one; `encrypted` says that another may be hidden."""

    name: str | None
    encrypted: bool


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data = data
        self.at = 0

    def take(self, count: int) -> bytes:
        if self.at + count > len(self.data):
            raise HelloError("cut short")
        self.at += count
        return self.data[self.at - count : self.at]

    def number(self, size: int) -> int:
        return int.from_bytes(self.take(size), "big")

    def vector(self, size: int) -> bytes:
        return self.take(self.number(size))

    def more(self) -> bool:
        return self.at < len(self.data)


def read_hello(data: bytes) -> Hello | None:
    """Return the hello that `data` begins with, `None` while more bytes are needed; raises `HelloError`."""
    message, at = b"", 0
    for _ in range(_MAX_RECORDS):
        if len(data) > at and data[at] != _HANDSHAKE:
            raise HelloError("not TLS")
        if len(data) > at + 1 and data[at + 1] != 3:
            raise HelloError("not TLS")
        if len(data) < at + 5:
            _check_size(data)
            return None
        length = int.from_bytes(data[at + 3 : at + 5], "big")
        if not 0 < length <= _MAX_RECORD:
            raise HelloError("a record of an impossible size")
        message += data[at + 5 : at + 5 + length]
        if len(message) >= 1 and message[0] != _CLIENT_HELLO:
            raise HelloError("not a client hello")
        if len(message) >= 4:
            size = int.from_bytes(message[1:4], "big")
            if size > MAX_HELLO:
                raise HelloError("too large")
            if len(message) > 4 + size:
                raise HelloError("more than a client hello")
            if len(message) == 4 + size:
                return _body(_Reader(message[4:]))
        if len(data) < at + 5 + length:
            _check_size(data)
            return None
        at += 5 + length
    raise HelloError("too many records")


def _check_size(data: bytes) -> None:
    if len(data) > MAX_HELLO:
        raise HelloError("too large")


def _body(reader: _Reader) -> Hello:
    reader.take(2 + 32)
    reader.vector(1)
    reader.vector(2)
    reader.vector(1)
    if not reader.more():
        return Hello(None, encrypted=False)
    extensions = _Reader(reader.vector(2))
    if reader.more():
        raise HelloError("bytes behind the extensions")
    found: dict[int, bytes] = {}
    while extensions.more():
        kind = extensions.number(2)
        if kind in found:
            raise HelloError("an extension twice")
        found[kind] = extensions.vector(2)
    name = _server_name(found[_SERVER_NAME]) if _SERVER_NAME in found else None
    return Hello(name, encrypted=not _ENCRYPTED.isdisjoint(found))


def _server_name(extension: bytes) -> str:
    outer = _Reader(extension)
    names = _Reader(outer.vector(2))
    if outer.more() or names.number(1) != 0:
        raise HelloError("a server name of another kind")
    name = names.vector(2)
    if names.more() or not name or not name.isascii():
        raise HelloError("not exactly one server name")
    return name.decode("ascii")
