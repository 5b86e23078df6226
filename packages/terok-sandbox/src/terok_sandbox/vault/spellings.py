"""The spellings in which a secret is recognized; docs/security/vault-proxy.md lists them.

Most data is only looked through for a part of each spelling, by libc, and for escaped letters. What has one of them is
read without its escapes, layer by layer.
"""

from __future__ import annotations

import base64
import ctypes
import re
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from html.entities import html5
from typing import Final

LINE: Final = 60
"""Base64 characters before a line end from which on the text may go on: the shortest lines that are common."""
WINDOW: Final = 68 * 1024
"""Bytes of the longest spelling: base64 of 8 KiB, each character escaped with six, and the line ends."""
MAX_LAYERS: Final = 4
LARGE: Final = 2 * 1024
"""Data from this size on is looked through by libc, several times as fast as Python."""
_PROBE: Final = 256
"""Bytes of a part that libc looks for at most: with more it would be slower."""
_LEAST_PART: Final = 8
"""Characters of a part at least: to come across one shows by the time that it takes."""
_PLAIN: Final = re.compile(rb"[A-Za-z0-9]+")
_FOLD: Final = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ-_", b"abcdefghijklmnopqrstuvwxyz+/")
_ESCAPE: Final = re.compile(
    rb"""%[0-9A-Fa-f]{2}|\\(?:u00[0-9A-Fa-f]{2}|x[0-9A-Fa-f]{2}|[/\\"'nrt])|&(?:#[0-9A-Fa-fxX]{1,8}|[A-Za-z]{2,24});"""
)
_WRAP: Final = re.compile(rb"\r?\n(?:(?<=[A-Za-z0-9+/_-]{%d}\n)|(?<=[A-Za-z0-9+/_-]{%d}\r\n))" % (LINE, LINE))
# Letters and digits stand escaped only where everything is: then several escapes follow each other.
_ALL_ESCAPED: Final = (
    (b"%", re.compile(rb"%[0-9A-Fa-f]{2,6}%")),
    (b"\\", re.compile(rb"\\(?:u00|x)[0-9A-Fa-f]{2}\\")),
    (b"&", re.compile(rb"&[amp;]*#[0-9A-Fa-fxX]{1,8};&")),
)

_Step = tuple[bytes, re.Pattern[bytes]]


def _libc_search() -> Callable[[bytes, int, bytes, int], int | None] | None:
    try:
        search = ctypes.PyDLL(None).memmem
    except (AttributeError, OSError):
        return None
    search.restype = ctypes.c_void_p
    search.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    return search


_search: Final = _libc_search()


class Needles:
    """The byte strings, folded, that betray a set of secrets, and the parts of them that are looked for first."""

    def __init__(self, secrets: Iterable[str], shortest: int) -> None:
        found: dict[bytes, None] = {}
        parts: list[bytes] = []
        for secret in secrets:
            raw = secret.encode("utf-8", "surrogatepass")
            for whole in (raw, raw.hex().encode("ascii")):
                found |= {read.translate(_FOLD): None for read in _layers(whole) if len(read) >= shortest}
                part = _longest_plain(whole)[:_PROBE]
                parts += [part, part.lower(), part.upper()]
            for alignment in range(3):
                core = _base64_core(raw, alignment)
                found[core.translate(_FOLD)] = None
                # Wherever a line ends, one of the two halves is whole.
                part = _longest_plain(core)[:LINE]
                half = len(part) // 2
                parts += [part[:half], part[half:]]
        self.all: tuple[bytes, ...] = tuple(found)
        if any(len(part) < _LEAST_PART for part in parts):
            parts = [b""]  # everything is read without its escapes
        self._parts = [(part, len(part)) for part in dict.fromkeys(parts)]

    def hinted(self, data: bytes) -> bool:
        """Tell whether a part of a needle is in `data`: without one, none is there whose letters are not escaped."""
        if _search is not None and (size := len(data)) >= LARGE:
            return any(_search(data, size, part, length) for part, length in self._parts)
        for part, _ in self._parts:  # noqa: SIM110 - a generator would take longer than the search
            if part in data:
                return True
        return False


class Spelled:
    """A piece of text read in every way: as it is, and without one to MAX_LAYERS layers of escapes."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def find(self, needles: Iterable[bytes]) -> list[tuple[int, int]]:
        """Return where in the data needles stand, start and end of each, in any order."""
        found: list[tuple[int, int]] = []
        for text, steps in self._readings():
            if places := list(_places(text.translate(_FOLD), needles)):
                found += _traced(places, steps)
        return found

    def _readings(self) -> Iterator[tuple[bytes, tuple[_Step, ...]]]:
        """Yield each reading with the steps that led to it: the text before, and what was replaced in it."""
        text = self._data
        steps: tuple[_Step, ...] = ()
        for _ in range(MAX_LAYERS + 1):
            yield text, steps
            if _WRAP.search(text):
                yield _WRAP.sub(b"", text), (*steps, (text, _WRAP))
            read = _ESCAPE.sub(_meaning, text)
            if len(read) == len(text):
                return
            text, steps = read, (*steps, (text, _ESCAPE))


def escaped_letters(data: bytes) -> bool:
    """Tell whether `data` has escapes one after the other, as where letters and digits are escaped too."""
    return any(sign in data and escapes.search(data) for sign, escapes in _ALL_ESCAPED)


def may_take_long(data: bytes) -> bool:
    """Tell whether `data` can have escapes: reading it without them takes a hundred times as long as other searches."""
    return any(sign in data for sign, _ in _ALL_ESCAPED)


def _layers(secret: bytes) -> Iterator[bytes]:
    """Yield a secret, and what is left of it in readings without escapes if it has what looks like some itself."""
    yield secret
    for _ in range(MAX_LAYERS):
        read = _ESCAPE.sub(_meaning, secret)
        if len(read) == len(secret):
            return
        yield (secret := read)


def _places(folded: bytes, needles: Iterable[bytes]) -> Iterator[tuple[int, int]]:
    for needle in needles:
        at = folded.find(needle)
        while at >= 0:
            yield at, at + len(needle)
            at = folded.find(needle, at + len(needle))


def _traced(places: list[tuple[int, int]], steps: tuple[_Step, ...]) -> list[tuple[int, int]]:
    """Return where places of a reading are in the text that it was read from."""
    for text, replaced in reversed(steps):
        marks, origins = _marks(text, replaced)

        def before(position: int, marks: list[int] = marks, origins: list[int] = origins) -> int:
            nearest = bisect_right(marks, position) - 1
            return origins[nearest] + position - marks[nearest]

        places = [(before(start), before(end)) for start, end in places]
    return places


def _marks(text: bytes, replaced: re.Pattern[bytes]) -> tuple[list[int], list[int]]:
    """Return positions after a replacement and, for each, the one before it; between them both advance alike."""
    marks, origins, shorter = [0], [0], 0
    for match in replaced.finditer(text):
        left = len(_meaning(match)) if replaced is _ESCAPE else 0
        if left < match.end() - match.start():
            start = match.start() - shorter
            marks += [start, start + left]
            origins += [match.start(), match.end()]
            shorter += match.end() - match.start() - left
    return marks, origins


def _meaning(escape: re.Match[bytes]) -> bytes:
    return _MEANINGS.get(escape[0].lower(), escape[0])


def _meanings() -> Iterator[tuple[str, str]]:
    for code in range(128):
        yield f"%{code:02x}", chr(code)
        yield f"\\u{code:04x}", chr(code)
        yield f"\\x{code:02x}", chr(code)
        for width in range(1, 9):
            yield f"&#{code:0{width}};", chr(code)
            yield f"&#x{code:0{width}x};", chr(code)
    for sign, meant in zip("/\\\"'nrt", "/\\\"'\n\r\t", strict=True):
        yield f"\\{sign}", meant
    for name, meant in html5.items():
        if len(meant) == 1 and meant.isascii() and name.endswith(";"):
            yield f"&{name.lower()}", meant


_MEANINGS: Final = {spelled.encode("ascii"): meant.encode("ascii") for spelled, meant in _meanings()}


def _longest_plain(needle: bytes) -> bytes:
    """Return the longest part without signs: no other one stays as it is in all spellings."""
    return max(_PLAIN.findall(needle), key=len, default=b"")


def _base64_core(raw: bytes, alignment: int) -> bytes:
    """Return the base64 characters that depend on `raw` alone when it follows `alignment` other bytes."""
    encoded = base64.b64encode(b"\0" * alignment + raw).rstrip(b"=")
    first = (0, 2, 3)[alignment]
    last = len(encoded) - (1 if (alignment + len(raw)) % 3 else 0)
    return encoded[first:last]
