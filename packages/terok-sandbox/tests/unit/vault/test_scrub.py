from __future__ import annotations

import base64
import gzip
import html
import json
import re
import zlib
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from terok_sandbox.vault.scrub import BodySearch, Decoder, Patterns, Scrubber, undecided
from terok_sandbox.vault.spellings import LARGE, LINE, WINDOW

secrets = st.text(alphabet=st.characters(min_codepoint=0x21, max_codepoint=0x7E), min_size=12, max_size=60).filter(
    lambda secret: not secret.endswith("\\")  # it would take what follows for its own, in a reading that it is not for
)


def b64(secret: str) -> str:
    return base64.b64encode(f"user:{secret}".encode()).decode()


def all_escaped(form: str) -> Callable[[str], bytes]:
    return lambda s: "".join(form.format(ord(c)) for c in s).encode()


def wrapped(columns: int, end: str) -> Callable[[str], bytes]:
    """The secret in the middle of base64 that a writer has broken into lines."""

    def write(secret: str) -> bytes:
        text = base64.b64encode(f"{'before ' * 20}{secret}{' after' * 10}".encode()).decode()
        return end.join(text[at : at + columns] for at in range(0, len(text), columns)).encode()

    return write


SPELLINGS: dict[str, Callable[[str], bytes]] = {
    "plain": str.encode,
    "percent": lambda s: quote(s, safe="").encode(),
    "percent-path": lambda s: quote(s).encode(),
    "percent-lower": lambda s: re.sub("%..", lambda m: m[0].lower(), quote(s, safe="")).encode(),
    "percent-twice": lambda s: quote(quote(s, safe=""), safe="").encode(),
    "percent-all": all_escaped("%{:02x}"),
    "percent-all-twice": all_escaped("%25{:02X}"),
    "json": lambda s: json.dumps({"a": s}).encode(),
    "json-in-json": lambda s: json.dumps(json.dumps({"a": s})).encode(),
    "json-slashes": lambda s: json.dumps({"a": s}).replace("/", "\\/").encode(),
    "json-for-html": lambda s: re.sub("[<>&'+]", lambda m: f"\\u{ord(m[0]):04x}", json.dumps(s)).encode(),
    "json-all": all_escaped("\\u{:04X}"),
    "json-all-in-json": all_escaped("\\\\u{:04x}"),
    "c-all": all_escaped("\\x{:02x}"),
    "html": lambda s: html.escape(s).encode(),
    "html-decimal": all_escaped("&#{:d};"),
    "html-decimal-twice": all_escaped("&amp;#{:d};"),
    "html-hex": all_escaped("&#x{:X};"),
    "html-in-json": lambda s: json.dumps(html.escape(s)).replace("&", "\\u0026").encode(),
    "hex": lambda s: s.encode().hex().encode(),
    "hex-upper": lambda s: s.encode().hex().upper().encode(),
    "lower": lambda s: s.lower().encode(),
    "upper": lambda s: s.upper().encode(),
    "basic": lambda s: base64.b64encode(f"user:{s}".encode()),
    "basic-in-json": lambda s: json.dumps(b64(s)).replace("/", "\\/").encode(),
    "basic-in-strict-json": lambda s: json.dumps(b64(s)).replace("+", "\\u002B").encode(),
    "basic-in-a-query": lambda s: quote(b64(s), safe="").encode(),
    "base64": lambda s: base64.b64encode(s.encode()),
    "base64-inside": lambda s: base64.b64encode(f"xx{s}yyy".encode()),
    "urlsafe": lambda s: base64.urlsafe_b64encode(f"x{s}".encode()),
    "base64-76": wrapped(76, "\n"),
    "base64-64": wrapped(64, "\r\n"),
    "base64-60-in-json": wrapped(60, "\\n"),
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


def overwritten(body: bytes, cleaned: bytes) -> int:
    return sum(new != old and new == ord("*") for old, new in zip(body, cleaned, strict=True))


def bytes_that_tell(secret: str, spelling: str) -> int:
    """How many bytes of a spelling depend on the secret, at least; characters that are `*` themselves do not count."""
    if "base64" in spelling or "basic" in spelling or spelling == "urlsafe":
        return len(secret) * 4 // 3 - 1
    return len(secret.replace("*", ""))


@pytest.mark.attack(id="HTTP-6")
@given(secrets, st.sampled_from(sorted(SPELLINGS)), st.binary(max_size=30), st.lists(st.integers(0, 600), max_size=6))
def test_no_spelling_survives_however_the_body_is_cut(
    secret: str, spelling: str, around: bytes, cuts: list[int]
) -> None:
    spelled = SPELLINGS[spelling](secret)
    body = around + b" " + spelled + b" " + around
    scrubber = Scrubber(Patterns([secret]))
    edges = sorted({0, len(body), *(cut for cut in cuts if cut < len(body))})
    pieces = [scrubber.feed(body[start:end]) for start, end in pairwise(edges)]
    cleaned = b"".join(pieces) + scrubber.finish()
    assert len(cleaned) == len(body)
    assert cleaned.startswith(around) and cleaned.endswith(around)
    assert overwritten(body, cleaned) >= bytes_that_tell(secret, spelling)
    assert not betrays(cleaned[len(around) + 1 : len(around) + 1 + len(spelled)], secret)


@pytest.mark.attack(id="HTTP-6")
@pytest.mark.parametrize("spelling", sorted(SPELLINGS))
def test_every_spelling_is_found_however_its_signs_are_escaped(spelling: str) -> None:
    secret = "key-????>>>>????>>>>-0123456789"
    spelled = SPELLINGS[spelling](secret)
    assert overwritten(spelled, Patterns([secret]).clean(spelled)) >= bytes_that_tell(secret, spelling)


@given(st.lists(st.binary(max_size=80), max_size=8))
def test_other_bodies_pass_unchanged(pieces: list[bytes]) -> None:
    scrubber = Scrubber(Patterns(["a-secret-that-is-not-in-there"]))
    assert b"".join([*map(scrubber.feed, pieces), scrubber.finish()]) == b"".join(pieces)


def test_events_are_not_held_back() -> None:
    scrubber = Scrubber(Patterns(["sk-real-secret-0123456789"]))
    assert scrubber.feed(b'data: {"text": "hello"}\n\n') == b'data: {"text": "hello"}\n\n'
    assert scrubber.feed(b"some word") == b"some "
    assert scrubber.feed(b"s\n") == b"words\n"
    encoded = b"data: " + b"A" * 76
    assert scrubber.feed(encoded + b"\n") == b"data: "
    assert scrubber.feed(b"\n") == encoded[6:] + b"\n\n"


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
    body = around[:before] + b" " + (spelled + b" ") * times + around
    cleaned = Patterns([secret]).clean(body)
    assert overwritten(body, cleaned) >= times * bytes_that_tell(secret, spelling)
    assert times or cleaned is body


@pytest.mark.attack(id="ORA-1")
@pytest.mark.parametrize("filling", [b"x", b"A" * 76 + b"\r\n"])
def test_a_long_run_waits_no_further_than_the_longest_spelling(filling: bytes) -> None:
    secret = "".join(chr(0x21 + number % 94) for number in range(8192))
    longest = all_escaped("\\u{:04x}")(base64.b64encode(secret.encode()).decode())
    run = filling * (3 * WINDOW // len(filling))
    scrubber = Scrubber(Patterns([secret]))
    pieces = [scrubber.feed(run[at : at + 1000]) for at in range(0, len(run), 1000)]
    assert len(b"".join(pieces)) >= len(run) - 2 * WINDOW
    body = b"".join([*pieces, scrubber.feed(longest[:1000]), scrubber.feed(longest[1000:] + run), scrubber.finish()])
    assert len(longest) < WINDOW and overwritten(run + longest + run, body) >= len(longest) - 12


def held(text: bytes) -> int:
    """What `undecided` says, in plain words: the visible end, going on before the line ends of wrapped base64."""
    digits = set(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/-_")
    end, at = len(text), len(text)

    def line_of_base64(until: int) -> bool:
        return until >= LINE and set(text[until - LINE : until]) <= digits

    if text[-1:] == b"\r" and line_of_base64(at - 1):
        at -= 1
    while at:
        if 0x21 <= text[at - 1] <= 0x7E:
            at -= 1
        elif text[at - 2 : at] == b"\r\n" and line_of_base64(at - 2):
            at -= 2
        elif text[at - 1 : at] == b"\n" and line_of_base64(at - 1):
            at -= 1
        else:
            break
    return end - at


@given(
    st.lists(st.sampled_from([b"A" * 60, b"-_+/" * 19, b"a" * 59, b"\n", b"\r\n", b"\r", b" ", b"x", b"=!", b"\xff"]))
)
def test_what_waits_follows_from_the_kind_of_text_alone(parts: list[bytes]) -> None:
    text = b"".join(parts)
    assert undecided(text) == held(text)


@pytest.mark.parametrize("filling", [b"x", b"A" * 76 + b"\r\n", b"A" * 60 + b"\n"])
@pytest.mark.parametrize("size", [WINDOW, 2 * WINDOW - 1, 2 * WINDOW, 2 * WINDOW + LINE + 3, 3 * WINDOW])
def test_a_long_end_is_measured_up_to_twice_the_longest_spelling(filling: bytes, size: int) -> None:
    text = b"words " + (filling * (size // len(filling) + 1))[:size]
    assert min(undecided(text), 2 * WINDOW) == min(held(text), 2 * WINDOW)


@pytest.mark.attack(id="HTTP-6")
@given(secrets, st.sampled_from(sorted(SPELLINGS)), st.binary(max_size=30), st.booleans())
def test_a_body_that_is_all_there_reads_as_one_that_comes_in_pieces(
    secret: str, spelling: str, around: bytes, reflected: bool
) -> None:
    body = around + b" " + SPELLINGS[spelling](secret if reflected else secret[:-1]) + b" " + around
    seen: list[bytes] = []
    patterns = Patterns([secret])
    pieces = BodySearch("", patterns, lambda text: None)
    whole = BodySearch("", patterns, seen.append).whole(body)
    assert whole == pieces.feed(b"") + pieces.feed(body) + pieces.finish() == b"".join(seen)


@pytest.mark.attack(id="ORA-1")
@given(secrets, secrets, st.data())
def test_what_is_no_whole_secret_leaves_in_the_same_pieces_whatever_the_secret(
    one: str, other: str, data: st.DataObject
) -> None:
    parts = st.sampled_from([*near_misses(one), *near_misses(other), b" ", b"\n", b"A" * 60 + b"\n"]) | st.binary()
    pieces = data.draw(st.lists(parts, max_size=12))
    text = b"".join(pieces)
    assume(not any(Patterns([secret]).finds(text) for secret in (one, other)))
    seen = []
    for secret in (one, other):
        scrubber = Scrubber(Patterns([secret]))
        seen.append([*map(scrubber.feed, pieces), scrubber.finish()])
    assert seen[0] == seen[1] and b"".join(seen[0]) == text


def near_misses(secret: str) -> list[bytes]:
    """What a container tries: beginnings, ends, one character wrong, in several spellings."""
    guesses = [secret[:cut] for cut in range(1, len(secret))] + [secret[1:], secret[:5] + "~" + secret[6:]]
    return [SPELLINGS[name](guess) for guess in guesses for name in ("plain", "basic", "percent-all", "hex")]
