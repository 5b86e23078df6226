from __future__ import annotations

import base64
import gzip
import zlib

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.vault.scrub import Decoder, EncodedSearch, Patterns, ReflectedSecretError, UnreadableEncodingError

SECRET = "sk-the-real-secret-0123456789"
PATTERNS = Patterns([SECRET])


def passed(packed: bytes, encoding: str, size: int) -> bytes:
    search = EncodedSearch(encoding, PATTERNS, lambda _: None)
    out = b"".join(search.feed(packed[at : at + size]) for at in range(0, len(packed), size))
    return out + search.finish()


@given(st.binary(max_size=3000), st.integers(1, 400))
def test_the_bytes_pass_as_they_came(text: bytes, size: int) -> None:
    seen: list[bytes] = []
    packed = gzip.compress(text)
    search = EncodedSearch("gzip", PATTERNS, seen.append)
    out = b"".join(search.feed(packed[at : at + size]) for at in range(0, len(packed), size)) + search.finish()
    assert out == packed and b"".join(seen) == text
    assert passed(zlib.compress(text), "deflate", size) == zlib.compress(text)


@pytest.mark.attack(id="HTTP-6")
@pytest.mark.parametrize("size", [1, 7, 64, 10_000])
@pytest.mark.parametrize("level", [0, 9])
@pytest.mark.parametrize("spelling", [SECRET.encode(), base64.b64encode(b"x:" + SECRET.encode())])
def test_no_part_of_a_secret_leaves(spelling: bytes, level: int, size: int) -> None:
    packed = gzip.compress(b"some words before " + spelling + b" and after" * 50, compresslevel=level)
    search = EncodedSearch("gzip", PATTERNS, lambda _: None)
    out = b""
    with pytest.raises(ReflectedSecretError):
        for at in range(0, len(packed), size):
            out += search.feed(packed[at : at + size])
    assert b"sk-the" not in zlib.decompressobj(wbits=31).decompress(out)


def test_bytes_that_are_not_of_their_encoding_end_the_answer() -> None:
    for data in (b"plain " + SECRET.encode(), gzip.compress(b"x") + b"plain behind it"):
        with pytest.raises((ValueError, ReflectedSecretError)):
            passed(data, "gzip", 1000)
    with pytest.raises(UnreadableEncodingError):
        EncodedSearch("br", PATTERNS, lambda _: None)


@pytest.mark.attack(id="HTTP-13")
def test_a_bomb_decodes_in_steps() -> None:
    sizes: list[int] = []
    search = EncodedSearch("gzip", PATTERNS, lambda piece: sizes.append(len(piece)))
    search.feed(gzip.compress(bytes(20_000_000)))
    assert sum(sizes) == 20_000_000 and max(sizes) <= 64 * 1024


@pytest.mark.attack(id="HTTP-6")
def test_all_that_has_come_is_searched_before_it_passes() -> None:
    packed = zlib.compress(b"x" * 70_000 + b"y" * 70_000, level=9)
    for cut in range(1, len(packed)):
        searched = sum(len(piece) for piece in Decoder("deflate").feed(packed[:cut]))
        assert searched == len(zlib.decompressobj().decompress(packed[:cut]))
