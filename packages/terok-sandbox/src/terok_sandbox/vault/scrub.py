"""Removing real secrets from what an upstream sends back.

A service that reflects requests (a debugging endpoint, an error page) would hand the credential to the container.
Secrets are recognized as they are and inside base64 at any of the three alignments (a reflected Basic credential),
either of them percent-encoded or JSON-escaped as well, and overwritten with `*` of the same length: lengths stay true.

Only whole text as it is can be searched: `encodings` looks into compressed bodies, and `Range` is never asked for.
"""

from __future__ import annotations

import base64
import ctypes
import json
import re
from collections.abc import Callable, Iterable, Iterator
from typing import Final
from urllib.parse import quote

MIN_SECRET: Final = 8
"""Secrets shorter than this are not searched: they would match by accident."""
MAX_SECRETS: Final = 8
LARGE: Final = 2 * 1024
"""Data from this size on is looked through by libc first, two to four times as fast as Python."""
_PROBE: Final = 256
"""Bytes of a pattern that libc looks for at most: with more it would be slower."""
_LEAST_PROBE: Final = 24
_PLAIN: Final = re.compile(rb"[A-Za-z0-9]+")


def _libc_search() -> Callable[[bytes, int, bytes, int], int | None] | None:
    try:
        search = ctypes.PyDLL(None).memmem
    except (AttributeError, OSError):
        return None
    search.restype = ctypes.c_void_p
    search.argtypes = [ctypes.c_char_p, ctypes.c_size_t, ctypes.c_char_p, ctypes.c_size_t]
    return search


_search: Final = _libc_search()


class Patterns:
    """The byte strings that betray a set of secrets. Immutable; shared by all responses of a credential."""

    def __init__(self, secrets: Iterable[str]) -> None:
        found: dict[bytes, None] = {}
        for secret in list(secrets)[:MAX_SECRETS]:
            if len(secret) >= MIN_SECRET:
                found.update(dict.fromkeys(_spellings(secret)))
        # The longest first: a shorter one overwritten in it would hide it.
        self.all: tuple[bytes, ...] = tuple(sorted(found, key=len, reverse=True))
        self.longest = max((len(pattern) for pattern in self.all), default=0)
        self._probes = [(probe, len(probe)) for probe in dict.fromkeys(map(_probe, self.all))]
        self._starts: dict[bytes, list[bytes]] = {}
        for pattern in self.all:
            self._starts.setdefault(pattern[:4], []).append(pattern)
        self._shortest = frozenset(start[:size] for start in self._starts for size in (1, 2, 3))

    def clean(self, data: bytes) -> bytes:
        """Return `data` with every complete occurrence overwritten; the same object if there is none."""
        if _search is not None and (size := len(data)) >= LARGE:
            for probe, length in self._probes:
                if _search(data, size, probe, length):
                    break
            else:
                return data
        for pattern in self.all:
            if pattern in data:
                data = data.replace(pattern, b"*" * len(pattern))
        return data

    def undecided(self, data: bytes) -> int:
        """Return how many bytes at the end of `data` could be the beginning of an occurrence."""
        tail, most = data[max(0, len(data) - self.longest + 1) :], 0
        for start, patterns in self._starts.items():
            at = tail.find(start)
            while at >= 0 and len(tail) - at > most:
                rest = tail[at:]
                if any(pattern.startswith(rest) for pattern in patterns):
                    most = len(rest)
                at = tail.find(start, at + 1)
        return most or next((size for size in (3, 2, 1) if tail[-size:] in self._shortest and size <= len(tail)), 0)


class Scrubber:
    """Cleans one body that arrives in pieces.

    Holds back only the bytes that may be the beginning of a secret, fewer than the longest spelling: everything else
    leaves with the piece it came in, so events of a stream are not delayed.
    """

    def __init__(self, patterns: Patterns) -> None:
        self._patterns = patterns
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return what may be passed on after `data` has arrived."""
        if self._held:
            data = self._held + data
            self._held = b""
        data = self._patterns.clean(data)
        keep = self._patterns.undecided(data)
        if keep:
            self._held = data[-keep:]
            return data[:-keep]
        return data

    def finish(self) -> bytes:
        """Return what is left when the body has ended."""
        held, self._held = self._held, b""
        return held


def _probe(pattern: bytes) -> bytes:
    """Return a part without which the pattern cannot be there; spellings that differ in a few characters share it."""
    plain = max(_PLAIN.findall(pattern), key=len, default=b"")
    return (plain if len(plain) >= _LEAST_PROBE else pattern)[:_PROBE]


def _spellings(secret: str) -> Iterator[bytes]:
    raw = secret.encode("utf-8")
    yield raw
    yield from _escaped(secret)
    for alignment in range(3):
        core = _base64_core(raw, alignment)
        yield core
        yield core.replace(b"+", b"-").replace(b"/", b"_")
        yield from _escaped(core.decode("ascii"))


def _escaped(text: str) -> Iterator[bytes]:
    """Yield a text as URLs and JSON hold it, as different writers of them do."""
    quoted = quote(text, safe="")
    written = json.dumps(text)[1:-1]
    spelled = (
        quoted,
        quote(text),
        quoted.replace("%", "%25"),
        _lower_escapes(quoted),
        written,
        written.replace("/", "\\/"),
        written.replace("+", "\\u002B"),
        written.replace("+", "\\u002b"),
    )
    yield from (one.encode("ascii") for one in spelled)


def _base64_core(raw: bytes, alignment: int) -> bytes:
    """Return the base64 characters that depend on `raw` alone when it follows `alignment` other bytes."""
    encoded = base64.b64encode(b"\0" * alignment + raw).rstrip(b"=")
    first = (0, 2, 3)[alignment]
    last = len(encoded) - (1 if (alignment + len(raw)) % 3 else 0)
    return encoded[first:last]


def _lower_escapes(quoted: str) -> str:
    parts = quoted.split("%")
    return "%".join([parts[0], *(part[:2].lower() + part[2:] for part in parts[1:])])
