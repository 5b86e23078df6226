from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.demo.search import ByteSearch, spellings

SECRET = "sk-demo-Zq3x_8Lw-77"


@pytest.mark.parametrize(
    "haystack",
    [
        SECRET.encode(),
        b"x" * 50 + SECRET.encode() + b"y",
        SECRET.encode("utf-16-le"),
        SECRET.encode().hex().encode(),
        SECRET.encode().hex().upper().encode(),
        SECRET.encode()[::-1],
        *(base64.b64encode(b"user:pass"[:cut] + SECRET.encode() + b"tail") for cut in range(6)),
        *(base64.urlsafe_b64encode(b"\xff\xfe"[:cut] + SECRET.encode()) for cut in range(3)),
    ],
)
def test_every_spelling_is_found(haystack: bytes) -> None:
    search = ByteSearch({"key": SECRET})
    search.feed(haystack)
    assert search.hits["key"] >= 1


@given(st.binary(max_size=200), st.binary(max_size=200), st.lists(st.integers(1, 40), max_size=30))
def test_however_the_stream_is_cut_it_is_counted_once(before: bytes, after: bytes, cuts: list[int]) -> None:
    stream = before + SECRET.encode() + after
    whole, cut = ByteSearch({"key": SECRET}), ByteSearch({"key": SECRET})
    whole.feed(stream)
    position = 0
    for size in [*cuts, len(stream)]:
        cut.feed(stream[position : position + size])
        position += size
    assert cut.hits == whole.hits
    assert whole.hits["key"] >= 1
    assert cut.bytes_seen == whole.bytes_seen == len(stream)


def test_two_streams_do_not_join() -> None:
    search = ByteSearch({"key": SECRET, "other": "abcdefgh"})
    search.feed_all([SECRET[:8].encode(), SECRET[8:].encode(), b"abcdefgh"])
    assert search.hits == {"key": 0, "other": 1}


def test_spellings_are_long_enough_to_mean_something() -> None:
    assert min(map(len, spellings(SECRET))) >= len(SECRET)
