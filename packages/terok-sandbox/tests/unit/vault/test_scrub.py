from __future__ import annotations

import base64
import gzip
import json
import zlib
from contextlib import suppress
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.vault.encodings import Decoder
from terok_sandbox.vault.scrub import LARGE, Patterns, Scrubber

secrets = st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=12, max_size=60)


def b64(secret: str) -> str:
    return base64.b64encode(f"user:{secret}".encode()).decode()


SPELLINGS = {
    "plain": str.encode,
    "percent": lambda s: quote(s, safe="").encode(),
    "percent-path": lambda s: quote(s).encode(),
    "json-slashes": lambda s: json.dumps({"a": s}).replace("/", "\\/").encode(),
    "basic-in-json": lambda s: json.dumps(b64(s)).replace("/", "\\/").encode(),
    "basic-in-strict-json": lambda s: json.dumps(b64(s)).replace("+", "\\u002B").encode(),
    "basic-in-a-query": lambda s: quote(b64(s), safe="").encode(),
    "percent-lower": lambda s: quote(s, safe="").lower().encode() if s.islower() else s.encode(),
    "json": lambda s: json.dumps({"a": s}).encode(),
    "basic": lambda s: base64.b64encode(f"user:{s}".encode()),
    "base64": lambda s: base64.b64encode(s.encode()),
    "base64-inside": lambda s: base64.b64encode(f"xx{s}yyy".encode()),
    "urlsafe": lambda s: base64.urlsafe_b64encode(f"x{s}".encode()),
}


def betrays(data: bytes, secret: str) -> bool:
    """Whether the secret's bytes can still be had from `data`, plain or by decoding any base64 in it."""
    if secret.encode() in data:
        return True
    for skip in range(4):
        text = data[skip:].replace(b"-", b"+").replace(b"_", b"/")
        try:
            decoded = base64.b64decode(text[: len(text) // 4 * 4])
        except ValueError:
            continue
        if secret.encode() in decoded:
            return True
    return False


@pytest.mark.attack(id="HTTP-6")
@given(secrets, st.sampled_from(sorted(SPELLINGS)), st.binary(max_size=30), st.lists(st.integers(0, 200), max_size=6))
def test_no_spelling_survives_however_the_body_is_cut(
    secret: str, spelling: str, around: bytes, cuts: list[int]
) -> None:
    spelled = SPELLINGS[spelling](secret)
    body = around + spelled + around
    scrubber = Scrubber(Patterns([secret]))
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    pieces = [scrubber.feed(body[start:end]) for start, end in pairwise(edges)]
    cleaned = b"".join(pieces) + scrubber.finish()
    assert len(cleaned) == len(body)
    assert cleaned.startswith(around) and b"*" * 8 in cleaned
    assert not betrays(cleaned[len(around) : len(around) + len(spelled)], secret)


@pytest.mark.attack(id="HTTP-6")
@pytest.mark.parametrize("spelling", sorted(SPELLINGS))
def test_base64_is_found_however_its_signs_are_escaped(spelling: str) -> None:
    secret = "key-????>>>>????>>>>-0123456789"
    spelled = SPELLINGS[spelling](secret)
    cleaned = Patterns([secret]).clean(spelled)
    assert len(cleaned) == len(spelled) and b"*" * (len(secret) - 2) in cleaned


@given(st.lists(st.binary(max_size=80), max_size=8))
def test_other_bodies_pass_unchanged(pieces: list[bytes]) -> None:
    scrubber = Scrubber(Patterns(["a-secret-that-is-not-in-there"]))
    assert b"".join([*map(scrubber.feed, pieces), scrubber.finish()]) == b"".join(pieces)


def test_events_are_not_held_back() -> None:
    scrubber = Scrubber(Patterns(["sk-real-secret-0123456789"]))
    assert scrubber.feed(b'data: {"text": "hello"}\n\n') == b'data: {"text": "hello"}\n\n'
    assert scrubber.feed(b"sk-real-sec") == b""
    assert scrubber.feed(b"ond") == b"sk-real-second"


def test_short_secrets_are_not_searched() -> None:
    assert Patterns(["abc", ""]).clean(b"abc") == b"abc"


@pytest.mark.parametrize("encode", [gzip.compress, zlib.compress, lambda d: zlib.compress(d)[2:-4]])
def test_encoded_bodies_are_decoded_in_bounded_steps(encode) -> None:
    body = bytes(5_000_000) + b"end"
    encoding = "gzip" if encode is gzip.compress else "deflate"
    data, decoder = encode(body), Decoder(encoding)
    pieces = [piece for at in range(0, len(data), 100) for piece in decoder.feed(data[at : at + 100])]
    assert b"".join(pieces) == body and max(map(len, pieces)) <= 64 * 1024


def test_gzip_members_follow_each_other_and_garbage_is_an_error() -> None:
    decoder = Decoder("gzip")
    assert b"".join(decoder.feed(gzip.compress(b"one") + gzip.compress(b"two"))) == b"onetwo"
    with pytest.raises(ValueError, match="encoding"):
        list(Decoder("gzip").feed(b"not gzip at all"))


@given(st.binary(max_size=200))
def test_any_bytes_decode_or_are_an_error(data: bytes) -> None:
    for encoding in ("gzip", "deflate"):
        with suppress(ValueError):
            list(Decoder(encoding).feed(data))


@pytest.mark.attack(id="HTTP-6")
@given(secrets | st.text("abAB01", min_size=300, max_size=600), st.sampled_from(sorted(SPELLINGS)),
       st.integers(0, 3), st.binary(min_size=1, max_size=40), st.integers(0, 2 * LARGE))  # fmt: skip
def test_nothing_survives_in_large_pieces(secret: str, spelling: str, times: int, filling: bytes, before: int) -> None:
    spelled, around = SPELLINGS[spelling](secret), (filling * (LARGE // len(filling) + 1))
    body = around[:before] + (spelled + b"--") * times + around
    patterns = Patterns([secret])
    expected = body
    for pattern in patterns.all:
        expected = expected.replace(pattern, b"*" * len(pattern))
    assert patterns.clean(body) == expected and (times == 0 or expected != body)
    assert expected != body or patterns.clean(body) is body


@given(st.lists(secrets, min_size=1, max_size=3), st.binary(max_size=20), st.integers(0, 80), st.data())
def test_what_may_be_a_beginning_is_held_and_nothing_else(
    several: list[str], before: bytes, length: int, data: st.DataObject
) -> None:
    patterns = Patterns(several)
    text = before + data.draw(st.sampled_from(patterns.all))[:length]
    possible = range(1, min(len(text), patterns.longest - 1) + 1)
    expected = max((size for size in possible if any(one.startswith(text[-size:]) for one in patterns.all)), default=0)
    assert patterns.undecided(text) == expected
