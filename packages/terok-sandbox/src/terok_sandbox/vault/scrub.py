"""Removing real secrets from what an upstream sends back, plain or compressed.

A service that reflects requests would hand the credential to the container. Secrets are overwritten with `*`, byte for
byte. A container can make a service send any text it likes: so nothing but a whole secret may change what it sees.
Where a body is cut and how long its end waits follow from the text alone, never from a comparison with a secret.

What comes compressed passes on with the very bytes that came: the first HELD of them when the whole body has been
searched, all others when the text they decode to has been. A secret in there ends the answer.
"""

from __future__ import annotations

import re
import zlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator
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
        """Return patterns that recognize the secrets of both."""
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
        """Return the bytes that may be passed on after `data` has arrived."""
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
        """Return the remaining bytes when the body has ended."""
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
    """Return how many bytes at the end of `data`, from 2 * WINDOW on at least, may begin a spelling of some secret."""
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


SEARCHABLE: Final = frozenset({"gzip", "x-gzip", "deflate"})
HELD: Final = 1024 * 1024
_DECODED_STEP: Final = 64 * 1024
_GZIP: Final = b"\x1f\x8b\x08"


class UnreadableEncodingError(ValueError):
    """The body has an encoding in which secrets cannot be searched, or not the one that it declares."""


class ReflectedSecretError(ValueError):
    """The body holds a real secret in a form that cannot be overwritten."""


class Decoder:
    """Undoes gzip or deflate, in steps of at most 64 KiB whatever the input expands to."""

    def __init__(self, encoding: str) -> None:
        self._wants_zlib = encoding == "deflate"
        self._zlib = zlib.decompressobj(wbits=zlib.MAX_WBITS if self._wants_zlib else zlib.MAX_WBITS | 16)
        self._started = False

    def feed(self, data: bytes) -> Iterator[bytes]:
        """Yield the decoded pieces of `data`; raises UnreadableEncodingError for data not of the encoding."""
        piece = b""
        while data or len(piece) == _DECODED_STEP:
            try:
                piece = self._zlib.decompress(data, _DECODED_STEP)
            except zlib.error as error:
                if not (self._wants_zlib and not self._started):
                    raise UnreadableEncodingError("the body is not in the encoding it declares") from error
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
    """Searches an encoded body that arrives in pieces; `seen` gets the decoded text.

    With `declared` false the data only looks like the encoding: where it no longer does, it is searched as it is.
    """

    def __init__(
        self, encoding: str, patterns: Patterns, seen: Callable[[bytes], None], *, declared: bool = True
    ) -> None:
        if encoding not in SEARCHABLE:
            raise UnreadableEncodingError(encoding)
        self._decoder: Decoder | None = Decoder(encoding)
        self._declared = declared
        self._seen = seen
        self._text = Scrubber(patterns)
        self._raw = Scrubber(patterns)
        self.decoded = 0
        self._held: deque[tuple[bytes, int]] = deque()
        """Pieces, each with the number of decoded bytes after it."""
        self._waiting = 0
        self._early = True

    def feed(self, data: bytes) -> bytes:
        """Return the bytes that may be passed on now; raises ReflectedSecretError or UnreadableEncodingError."""
        if self._decoder is not None:
            try:
                for piece in self._decoder.feed(data):
                    self.decoded += len(piece)
                    self._text.feed(piece)
                    self._seen(piece)
            except ValueError:
                if self._declared:
                    raise
                self._text.finish()
                self._decoder = None
        raw = self._raw.feed(data)
        self._check()
        self._held.append((raw, self.decoded))
        self._waiting += len(raw)
        self._early = self._early and self._waiting <= HELD and self._decoder is not None
        return b"" if self._early else self._let_go(self.decoded - self._text.size)

    def finish(self) -> bytes:
        """Return the remaining bytes when the body has ended; raises ReflectedSecretError."""
        self._text.finish()
        raw = self._raw.finish()
        self._check()
        return self._let_go(self.decoded) + raw

    def _check(self) -> None:
        if self._text.found or self._raw.found:
            raise ReflectedSecretError

    def _let_go(self, searched: int) -> bytes:
        free = []
        while self._held and self._held[0][1] <= searched:
            free.append(self._held.popleft()[0])
        out = b"".join(free)
        self._waiting -= len(out)
        if self._waiting > 2 * HELD:
            raise UnreadableEncodingError("the body decodes to nothing")
        return out


def is_plain(encoding: str, body: bytes) -> bool:
    """Tell whether a body that is all there has no coding, neither by its head nor by its first bytes."""
    return encoding in ("", "identity") and not body.startswith(_GZIP)


class BodySearch:
    """Searches one body of any coding; `seen` gets its text, without secrets or decoded."""

    def __init__(self, encoding: str, patterns: Patterns, seen: Callable[[bytes], None]) -> None:
        self._patterns = patterns
        self._seen = seen
        self._first = b""
        self.declared = encoding not in ("", "identity")
        self._search: EncodedSearch | Scrubber | None
        self._search = EncodedSearch(encoding, patterns, seen) if self.declared else None

    def feed(self, data: bytes) -> bytes:
        """Return the bytes that may be passed on after `data` has arrived; raises like EncodedSearch."""
        if self._search is None:
            data = self._first + data
            if len(data) < len(_GZIP) and _GZIP.startswith(data):
                self._first = data
                return b""
            if data.startswith(_GZIP):
                self._search = EncodedSearch("gzip", self._patterns, self._seen, declared=False)
            else:
                self._search = Scrubber(self._patterns)
        return self._shown(self._search.feed(data))

    def finish(self) -> bytes:
        """Return the remaining bytes when the body has ended; raises ReflectedSecretError."""
        if self._search is None:
            return self._first  # one or two bytes
        return self._shown(self._search.finish())

    def whole(self, data: bytes) -> bytes:
        """Return the clean text of a body without coding that has arrived whole, instead of `feed` and `finish`."""
        clean = self._patterns.clean(data)
        if clean:
            self._seen(clean)
        return clean

    @property
    def decoded(self) -> int:
        """How much has been decoded so far."""
        return self._search.decoded if isinstance(self._search, EncodedSearch) else 0

    def coded(self, data: bytes) -> bool:
        """Whether the body is one with a coding, now that `data` has arrived."""
        if self._search is None:
            return (self._first + data[: len(_GZIP)]).startswith(_GZIP)
        return not self.plain

    @property
    def plain(self) -> bool:
        """Whether the body is known to be one without coding."""
        return isinstance(self._search, Scrubber)

    def _shown(self, clean: bytes) -> bytes:
        if clean and self.plain:
            self._seen(clean)
        return clean
