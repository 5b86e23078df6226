from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.http1.body import (
    LAST_CHUNK,
    Body,
    ChunkedBody,
    LengthBody,
    UntilEndBody,
    chunk,
    request_body,
    response_body,
)
from terok_sandbox.http1.head import BrokenOff, HttpSyntaxError, read_response


def fed(body: Body, pieces: list[bytes]) -> tuple[bytes, bytes]:
    content, rest = b"", b""
    for piece in pieces:
        if body.done:
            rest += piece
            continue
        part, rest = body.feed(piece)
        content += part
    return content, rest


def cut(data: bytes, points: list[int]) -> list[bytes]:
    edges = [0, *sorted(point % (len(data) + 1) for point in points), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges) if end > start]


@given(st.lists(st.binary(min_size=1, max_size=40), max_size=6), st.lists(st.integers(0, 500), max_size=12))
def test_chunks_come_back_however_they_are_cut(parts: list[bytes], points: list[int]) -> None:
    body = ChunkedBody()
    data = b"".join(chunk(part) for part in parts) + LAST_CHUNK
    assert fed(body, cut(data + b"GET /next", points)) == (b"".join(parts), b"GET /next") and body.done


@given(st.binary(max_size=60), st.integers(0, 60), st.lists(st.integers(0, 60), max_size=5))
def test_lengths_are_kept(data: bytes, length: int, points: list[int]) -> None:
    body = LengthBody(length)
    content, rest = fed(body, cut(data, points))
    assert content == data[:length] and (not body.done or rest == data[length:])
    if not body.done:
        with pytest.raises(BrokenOff):
            body.end()


def test_extensions_and_trailers_are_dropped() -> None:
    data = b'3;a="b"\r\nabc\r\n0;x\r\nX-Trailer: 1\r\n\r\nnext'
    for points in ([], list(range(len(data)))):
        assert fed(ChunkedBody(), cut(data, points)) == (b"abc", b"next")


@pytest.mark.attack(id="HTTP-4")
@pytest.mark.parametrize(
    "data",
    [b"3\nabc\r\n", b"3\r\nabcd\r\n", b"-3\r\n", b"0x3\r\nabc", b" 3\r\nabc", b"3 ;\x00\r\n", b"\r\n", b"+3\r\n",
     b"3_0\r\n",
     b"1" * 16 + b"\r\n", b"3;" + b"a" * 2000 + b"\r\n", b"0\r\n folded\r\n\r\n", b"0\r\nno colon\r\n\r\n",
     b"3\rabc\r\n", b"0\r\n" + b"X: y\r\n" * 3000, b"a" * 3000],
)  # fmt: skip
def test_odd_chunks_are_refused(data: bytes) -> None:
    with pytest.raises(HttpSyntaxError):
        fed(ChunkedBody(), [data])


@given(st.binary(max_size=80))
def test_any_bytes_are_chunks_or_a_wire_error(data: bytes) -> None:
    body = ChunkedBody()
    try:
        body.feed(data)
    except HttpSyntaxError:
        return
    if not body.done:
        with pytest.raises(BrokenOff):
            body.end()


@pytest.mark.parametrize(
    ("fields", "method", "kind"),
    [(b"Content-Length: 3\r\n", "GET", LengthBody), (b"Transfer-Encoding: chunked\r\n", "GET", ChunkedBody),
     (b"", "GET", UntilEndBody), (b"Content-Length: 3\r\n", "HEAD", type(None))],
)  # fmt: skip
def test_framing_of_answers(fields: bytes, method: str, kind: type) -> None:
    assert isinstance(response_body(read_response(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n"), method), kind)
    assert response_body(read_response(b"HTTP/1.1 204 No\r\n" + fields + b"\r\n"), "GET") is None


@pytest.mark.parametrize(
    "fields",
    [b"Content-Length: 3\r\nTransfer-Encoding: chunked\r\n", b"Content-Length: 3\r\nContent-Length: 3\r\n",
     b"Transfer-Encoding: gzip, chunked\r\n", b"Content-Length: +3\r\n", b"Content-Length: \r\n"],
)  # fmt: skip
def test_contradictory_answers(fields: bytes) -> None:
    with pytest.raises(HttpSyntaxError):
        response_body(read_response(b"HTTP/1.1 200 OK\r\n" + fields + b"\r\n"), "GET")


def test_framing_of_requests() -> None:
    assert request_body(None, chunked=False) is None and request_body(0, chunked=False) is None
    assert isinstance(request_body(None, chunked=True), ChunkedBody)
    body = UntilEndBody()
    assert body.feed(b"x") == (b"x", b"")
    body.end()
    assert body.done
