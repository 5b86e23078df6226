"""Removing real secrets from what an upstream sends back.

A service that reflects requests (a debugging endpoint, an error page) would hand the credential to the container. The
secrets are looked for in the spellings of `spellings` and overwritten with `*`, byte for byte: lengths stay true.

A container can make a service send any text it likes. So nothing but a whole secret may change what it sees: where a
body is cut and how long its end waits follow from the text alone, never from a comparison with a secret.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from terok_sandbox.vault.spellings import LINE, WINDOW, Needles, Spelled, escaped_letters

MIN_SECRET: Final = 8
"""Secrets shorter than this are not searched: they would match by accident."""
MAX_SECRET: Final = 8 * 1024
"""Longer secrets are not sent: what could begin one would have to wait for too long."""
_SEARCHABLE: Final = re.compile(rf"[\x21-\x7e]{{0,{MAX_SECRET}}}")
_SHOWN: Final = re.compile(rb"[\x21-\x7e]")
_SOLID: Final = re.compile(rb"[\x21-\x7e]+")
_GAPS: Final = bytes(not 0x21 <= code <= 0x7E for code in range(256))
"""Maps visible characters to 0, all others to 1."""
# Read backwards: a run of visible characters, which may go on before a line end that follows a line of base64.
_BEFORE: Final = rb"(?=\r?[A-Za-z0-9+/_-]{%d})" % LINE
_TAIL: Final = re.compile(rb"(?:\r(?=[A-Za-z0-9+/_-]{%d}))?[!-~]*(?:\n%b\r?[!-~]+)*" % (LINE, _BEFORE))
_LOOK_BACK: Final = 256
_FARTHEST: Final = 2 * WINDOW + LINE + 2
"""From so many bytes it can be told that 2 * WINDOW are undecided."""


class Patterns:
    """Recognizes a set of secrets. Immutable; shared by all answers that are searched for them."""

    longest: Final = WINDOW
    """How many bytes a spelling has at most, whatever the secret."""

    def __init__(self, secrets: Iterable[str]) -> None:
        self.secrets: tuple[str, ...] = tuple(dict.fromkeys(one for one in secrets if len(one) >= MIN_SECRET))
        self.searchable = all(_SEARCHABLE.fullmatch(one) for one in self.secrets)
        """Whether every secret is found in a stream: none is too long or has blanks or characters outside ASCII."""
        self._needles = Needles(self.secrets, MIN_SECRET)

    def joined(self, other: Patterns) -> Patterns:
        """Return what recognizes the secrets of both."""
        if set(other.secrets) <= set(self.secrets):
            return self
        return Patterns((*self.secrets, *other.secrets))

    def clean(self, data: bytes) -> bytes:
        """Return `data` with every whole occurrence overwritten; the same object if there is none."""
        spans = self._spans(data)
        if not spans:
            return data
        cleaned = bytearray(data)
        for start, end in spans:
            # Line ends stay: a wrapped text is still one.
            cleaned[start:end] = _SHOWN.sub(b"*", data[start:end])
        return bytes(cleaned)

    def finds(self, data: bytes) -> bool:
        """Tell whether a whole secret is in `data`."""
        return bool(self._spans(data))

    def _spans(self, data: bytes) -> list[tuple[int, int]]:
        if not (self._needles.hinted(data) or escaped_letters(data)):
            return []
        return Spelled(data).find(self._needles.all)


class Scrubber:
    """Cleans one body that arrives in pieces.

    Holds back the visible characters at the end, up to the last blank or line end, since they may be the beginning of
    any secret, and lets them go together with what follows. Of a longer run WINDOW bytes wait. So lines and events
    leave with the piece they came in.
    """

    def __init__(self, patterns: Patterns) -> None:
        self._patterns = patterns
        self._held: list[bytes] = []
        self.size = 0
        """How many bytes are held back."""
        self.found = False
        """Whether a secret has been overwritten."""

    def feed(self, data: bytes) -> bytes:
        """Return what may be passed on after `data` has arrived."""
        self._held.append(data)
        self.size += len(data)
        solid = _solid(data)
        if solid and self.size < 2 * WINDOW:
            return b""
        data = b"".join(self._held)
        keep = len(data) if solid else undecided(data)
        if keep >= 2 * WINDOW:
            # What begins before the last WINDOW bytes and is not complete is no spelling.
            return self._let_go(self._clean(data), WINDOW)
        return self._clean(self._let_go(data, keep))

    def finish(self) -> bytes:
        """Return what is left when the body has ended."""
        return b"" if not self.size else self._clean(self._let_go(b"".join(self._held), 0))

    def _clean(self, data: bytes) -> bytes:
        cleaned = self._patterns.clean(data)
        self.found = self.found or cleaned is not data
        return cleaned

    def _let_go(self, data: bytes, keep: int) -> bytes:
        cut = len(data) - keep
        self._held, self.size = ([data[cut:]] if keep else []), keep
        return data[:cut]


def undecided(data: bytes) -> int:
    """Return how many bytes at the end of `data` could be the beginning of a spelling of some secret.

    Any number from 2 * WINDOW on says that there are as many at least.
    """
    size = _LOOK_BACK
    while True:
        found = _TAIL.match(data[-size:][::-1])
        length = found.end() if found else 0
        if size >= min(len(data), _FARTHEST) or length < size - LINE - 2:
            return length
        size = min(size * 8, _FARTHEST)


def _solid(data: bytes) -> bool:
    """Tell whether all of `data` is visible, and there is any."""
    if not _SOLID.fullmatch(data, 0, _LOOK_BACK):
        return False
    return len(data) <= _LOOK_BACK or 1 not in data.translate(_GAPS)
