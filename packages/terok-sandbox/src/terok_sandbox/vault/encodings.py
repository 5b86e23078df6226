"""Compressed bodies: offered to the upstream as far as they can be searched, passed on as they came, searched as text.

The client gets the very bytes the upstream sent, each piece only after what it decodes to has been searched. A secret
in compressed data cannot be overwritten in place, so it ends the answer instead.
"""

from __future__ import annotations

import zlib
from functools import lru_cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from terok_sandbox.vault.scrub import Patterns

SEARCHABLE: Final = frozenset({"gzip", "x-gzip", "deflate"})
MAX_HELD: Final = 1024 * 1024
_DECODED_STEP: Final = 64 * 1024


class UnreadableEncodingError(ValueError):
    """The body has an encoding in which secrets cannot be searched."""


class ReflectedSecretError(ValueError):
    """The body holds a real secret in a form that cannot be overwritten."""


@lru_cache(maxsize=128)
def offered(accepted: str) -> str:
    """Return the Accept-Encoding to send for a client's: what it takes and we can search, else `identity`."""
    kept = []
    for item in accepted.split(","):
        name, _, parameters = item.strip().lower().partition(";")
        name = name.strip()
        if name in SEARCHABLE and name not in kept and parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00"):
            kept.append(name)
    return ", ".join(kept) or "identity"


class Decoder:
    """Undoes gzip or deflate, in steps of at most 64 KiB whatever the input expands to."""

    def __init__(self, encoding: str) -> None:
        self._wants_zlib = encoding == "deflate"
        self._zlib = zlib.decompressobj(wbits=zlib.MAX_WBITS if self._wants_zlib else zlib.MAX_WBITS | 16)
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the decoded pieces of `data`.

        Raises:
            ValueError: the data is not of the encoding.

        """
        piece = b""
        while data or len(piece) == _DECODED_STEP:
            try:
                piece = self._zlib.decompress(data, _DECODED_STEP)
            except zlib.error as exc:
                if not (self._wants_zlib and not self._started):
                    raise ValueError("the body is not in the encoding it declares") from exc
                # Some servers mean raw deflate.
                self._zlib, self._wants_zlib = zlib.decompressobj(wbits=-zlib.MAX_WBITS), False
                continue
            self._started = True
            if piece:
                yield piece
            if self._zlib.eof:
                data = self._zlib.unused_data
                # Only another gzip member may follow; anything else would pass unsearched.
                self._zlib = zlib.decompressobj(wbits=zlib.MAX_WBITS | 16)
            else:
                data = self._zlib.unconsumed_tail


class EncodedSearch:
    """Searches an encoded body that arrives in pieces; `seen` gets the decoded text."""

    def __init__(self, encoding: str, patterns: Patterns, seen: Callable[[bytes], None]) -> None:
        if encoding not in SEARCHABLE:
            raise UnreadableEncodingError(encoding)
        self._decoder = Decoder(encoding)
        self._patterns = patterns
        self._seen = seen
        self._text = b""
        self._raw = b""
        self._held = b""

    def feed(self, data: bytes) -> bytes:
        """Return the encoded bytes that may be passed on after `data` has arrived.

        Raises:
            ReflectedSecretError: a secret was found.
            ValueError: the data is not of its encoding.

        """
        self._raw = self._search(self._raw, data)
        for piece in self._decoder.feed(data):
            self._text = self._search(self._text, piece)
            self._seen(piece)
        held = self._held + data
        if self._patterns.undecided(self._text) or self._patterns.undecided(self._raw):
            if len(held) > MAX_HELD:
                raise ValueError("the body decodes to nothing")
            self._held = held
            return b""
        self._held = b""
        return held

    def finish(self) -> bytes:
        """Return what is left when the body has ended."""
        held, self._held = self._held, b""
        return held

    def _search(self, tail: bytes, piece: bytes) -> bytes:
        window = tail + piece
        if self._patterns.clean(window) is not window:
            raise ReflectedSecretError
        return window[max(0, len(window) - self._patterns.longest) :]
