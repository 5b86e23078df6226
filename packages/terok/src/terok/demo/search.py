"""Looking for a secret in any amount of bytes, in each spelling a program is likely to give it."""

from __future__ import annotations

import base64
from collections.abc import Iterable, Mapping


def spellings(secret: str) -> tuple[bytes, ...]:
    """Return the forms to look for: the text, backwards too, UTF-16, hexadecimal, base64.

    A secret within something longer that is encoded as base64 has one of three forms, depending on where it begins.
    """
    raw = secret.encode()
    found = {raw, raw[::-1], secret.encode("utf-16-le"), raw.hex().encode(), raw.hex().upper().encode()}
    for phase in range(3):
        encoded = base64.b64encode(bytes(phase) + raw).rstrip(b"=")
        # Characters that mix our bits with those of a neighbor differ from place to place.
        inner = encoded[(0, 2, 3)[phase] : len(encoded) - ((phase + len(raw)) % 3 != 0)]
        found |= {inner, inner.translate(bytes.maketrans(b"+/", b"-_"))}
    return tuple(sorted(found))


class ByteSearch:
    """Counts how often each of some named secrets occurs in a stream that is fed piece by piece.

    An occurrence that spans two pieces is found; one that would span two streams (`next_stream`) does not count.
    """

    def __init__(self, secrets: Mapping[str, str]) -> None:
        self._needles = {name: spellings(secret) for name, secret in secrets.items()}
        self._keep = max((len(item) for items in self._needles.values() for item in items), default=1) - 1
        self._tail = b""
        self.hits = dict.fromkeys(secrets, 0)
        """Occurrences so far by name."""
        self.bytes_seen = 0
        """Bytes fed so far."""

    def feed(self, piece: bytes) -> None:
        """Search the next bytes of the stream."""
        self.bytes_seen += len(piece)
        known = len(self._tail)
        window = self._tail + piece
        for name, needles in self._needles.items():
            self.hits[name] += sum(_count(window, needle, known) for needle in needles)
        self._tail = window[-self._keep :] if self._keep else b""

    def next_stream(self) -> None:
        """Forget the end of this stream: the next bytes are another's."""
        self._tail = b""

    def feed_all(self, pieces: Iterable[bytes]) -> None:
        """Search pieces that are a stream each."""
        for piece in pieces:
            self.feed(piece)
            self.next_stream()


def _count(window: bytes, needle: bytes, known: int) -> int:
    """Count occurrences that end beyond the `known` bytes, which were searched before."""
    count = 0
    position = window.find(needle, max(0, known - len(needle) + 1))
    while position >= 0:
        count += 1
        position = window.find(needle, position + 1)
    return count
