"""Texts in which a secret may stand though none of its spellings does: wide characters, dumps, wrapped lines, gzip.

Each reading gets an object in pieces and returns its text of each piece; nothing for an object of another kind.
"""

from __future__ import annotations

import re
import zlib
from collections.abc import Callable, Iterator
from typing import Final

Reading = Callable[[bytes], bytes]

_MAX_LINE: Final = 4096
_MAX_INFLATED: Final = 256 * 1024 * 1024
_STEP: Final = 64 * 1024
_BETWEEN: Final = b" \t\r\n\f\v\"'`,;\\#>|&"
# Possessive, and begun only where a number begins: no text makes it try the same characters again and again.
_GROUP: Final = rb"(?:(?:0[xX]|\\x)?+[0-9A-Fa-f]{2,}+[\s:,;'\"-]{0,3}+)"
_SOME: Final = re.compile(rb"(?<![0-9A-Fa-f])" + _GROUP + rb"{4,}+")
_ONLY: Final = re.compile(rb"[\s{(\['\"]*+(" + _GROUP + rb"++)[\s})\]'\";]*+\Z")
_AFTER_OFFSET: Final = re.compile(_GROUP + rb"++")
_PREFIX: Final = re.compile(rb"0[xX]|\\x|[^0-9A-Fa-f]")
_OFFSET: Final = re.compile(rb"[ \t]*[0-9A-Fa-f]{4,16}(?::[ \t]*|[ \t]+)(?=[0-9A-Fa-f]{2})")
_DUMPED: Final = 32
"""Hexadecimal digits of a line of a dump that begins with an offset; what follows them is the same as text."""


def readings() -> list[Reading]:
    """Return the readings of one object, besides its own bytes."""
    return [narrow, joined, Dump(), Dump(swapped=True)]


def narrow(piece: bytes) -> bytes:
    """Read UTF-16 and UTF-32: a third of such a text at least are zero bytes."""
    return piece.replace(b"\0", b"") if piece.count(b"\0") * 3 >= len(piece) else b""


def joined(piece: bytes) -> bytes:
    """Read over line ends, indents, quotes and marks of quoted or commented text."""
    return b"" if b"\0" in piece else piece.translate(None, _BETWEEN)


class Dump:
    """Reads hexadecimal digits, also as dumps and lists in programs have them; `swapped`: in words of two bytes."""

    def __init__(self, *, swapped: bool = False) -> None:
        self._swapped = swapped
        self._line = b""
        self._digits = b""

    def __call__(self, piece: bytes) -> bytes:
        """Return the bytes that the whole lines so far stand for; a line without an end is read in parts."""
        if b"\0" in piece:
            return b""
        *lines, self._line = (self._line + piece).split(b"\n")
        if len(self._line) > _MAX_LINE:
            lines.append(self._line)
            self._line = b""
        return self._read(self._digits + b"".join(map(_digits, lines)))

    def end(self) -> bytes:
        """Return what the last line, which has no end, stands for."""
        digits = self._digits + _digits(self._line)
        return self._read(digits + b"0" * (-len(digits) % 4))

    def _read(self, digits: bytes) -> bytes:
        whole = len(digits) - len(digits) % 4
        self._digits = digits[whole:]
        read = bytes.fromhex(digits[:whole].decode("ascii"))
        if self._swapped:
            return bytes(byte for pair in zip(read[1::2], read[::2], strict=True) for byte in pair)
        return read


class Gunzip:
    """Reads gzip, up to 256 MiB; gives nothing of anything else."""

    def __init__(self) -> None:
        self._zlib: zlib._Decompress | None = zlib.decompressobj(16 + zlib.MAX_WBITS)
        self._left = _MAX_INFLATED

    def pieces(self, data: bytes) -> Iterator[bytes]:
        """Yield what the next bytes stand for."""
        while data and self._zlib is not None and self._left > 0:
            try:
                piece = self._zlib.decompress(data, _STEP)
            except zlib.error:
                self._zlib = None
                return
            self._left -= len(piece)
            if piece:
                yield piece
            if self._zlib.eof:
                data = self._zlib.unused_data
                self._zlib = zlib.decompressobj(16 + zlib.MAX_WBITS)
            else:
                data = self._zlib.unconsumed_tail


def _digits(line: bytes) -> bytes:
    """Return the hexadecimal digits of a line: all behind an offset, all of a line of nothing else, or long rows."""
    if (offset := _OFFSET.match(line)) and (shown := _AFTER_OFFSET.match(line, offset.end())):
        digits = _PREFIX.sub(b"", shown[0])[:_DUMPED]
    elif only := _ONLY.match(line):
        digits = _PREFIX.sub(b"", only[1])
    else:
        digits = b"".join(_PREFIX.sub(b"", match[0]) for match in _SOME.finditer(line))
    return digits[: len(digits) & ~1]
