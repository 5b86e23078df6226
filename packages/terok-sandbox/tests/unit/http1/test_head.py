from __future__ import annotations

import asyncio

import pytest
from aiohttp.http_exceptions import HttpProcessingError
from aiohttp.http_parser import HttpRequestParser
from hypothesis import given, settings
from hypothesis import strategies as st
from terok_sandbox.http1.head import HttpSyntaxError, is_already_invalid, read_request, read_response, status_line
from terok_sandbox.vault.refusal import VaultRefusal
from terok_sandbox.vault.swap import screen

pieces = st.sampled_from(
    [b"GET", b"POST", b"/", b"/x", b" ", b"HTTP/1.1", b"HTTP/1.0", b"\r\n", b"\n", b"\r", b"Host: a", b"Host : a",
     b"X: y", b"X:y", b":", b"\t", b"Content-Length: 3", b"Transfer-Encoding: chunked", b"\x00", b"\xc3\xa9", b"a"]
)  # fmt: skip


def other_reader(head: bytes) -> tuple[str, str, list[tuple[bytes, bytes]]] | None:
    """Read a head as aiohttp does: another implementation to differ from."""
    loop = asyncio.new_event_loop()
    try:
        messages, _, rest = HttpRequestParser(None, loop, 2**16, max_headers=200).feed_data(head)
    except HttpProcessingError:
        return None
    finally:
        loop.close()
    if len(messages) != 1 or rest:
        return None
    message = messages[0][0]
    return message.method, message.path, list(message.raw_headers)


@settings(max_examples=400)
@given(st.lists(pieces, max_size=14).map(b"".join))
def test_what_is_accepted_reads_the_same_elsewhere(middle: bytes) -> None:
    head = b"GET /x HTTP/1.1\r\nHost: a" + middle + b"\r\n\r\n"
    head = head[: head.index(b"\r\n\r\n") + 4]
    try:
        request = read_request(head)
    except HttpSyntaxError:
        return
    screened = screen(request.method, request.target, request.fields)
    if isinstance(screened, VaultRefusal):
        return
    assert other_reader(head) == (request.method, request.target, request.fields)


@given(st.binary(max_size=200))
def test_any_bytes_are_a_head_or_a_wire_error(data: bytes) -> None:
    for reader in (read_request, read_response):
        try:
            reader(data + b"\r\n\r\n")
        except HttpSyntaxError as exc:
            assert data not in str(exc).encode() or len(data) < 6


@pytest.mark.attack(id="HTTP-4")
@pytest.mark.parametrize(
    "head",
    [b"GET  /x HTTP/1.1\r\nHost: a", b"GET /x HTTP/1.1 \r\nHost: a", b"GET /x HTTP/1.2\r\nHost: a",
     b"GET /x\r\nHost: a",
     b"GET /x http/1.1\r\nHost: a", b"GET /x HTTP/1.1\r\nHost: a\n", b"GET /x HTTP/1.1\r\nHost: a\rX: b",
     b"GET /x HTTP/1.1\r\nHost", b"GET /x HTTP/1.1\r\nHost: \x7f", b"\r\nGET /x HTTP/1.1\r\nHost: a",
     b"GET /\xc3\xa9 HTTP/1.1\r\nHost: a", b"GET /x\tHTTP/1.1\r\nHost: a"],
)  # fmt: skip
def test_heads_that_are_not_ours(head: bytes) -> None:
    with pytest.raises(HttpSyntaxError):
        read_request(head + b"\r\n\r\n")


@pytest.mark.parametrize(
    "head", [b"HTTP/2 200 OK", b"HTTP/1.1 20 OK", b"HTTP/1.1 200\x00", b"HTTP/1.1 200 OK\r\n X: folded", b"ICY 200 OK"]
)
def test_answers_that_are_not_http(head: bytes) -> None:
    with pytest.raises(HttpSyntaxError):
        read_response(head + b"\r\n\r\n")


def test_answers_may_have_bytes_outside_ascii_and_no_reason() -> None:
    head = read_response(b"HTTP/1.1 200\r\nX-Name: \xc3\xa9 \r\nETag:a\r\n\r\n")
    assert (head.status, head.get(b"x-name"), head.get(b"etag"), head.get(b"none")) == (200, b"\xc3\xa9", b"a", None)
    with pytest.raises(HttpSyntaxError):
        read_response(b"HTTP/1.1 200 OK\r\nA: 1\r\na: 2\r\n\r\n").get(b"a")
    assert status_line(299) == b"HTTP/1.1 299 \r\n" and status_line(404) == b"HTTP/1.1 404 Not Found\r\n"


def test_hopeless_heads_are_seen_early() -> None:
    assert is_already_invalid(b"\x16\x03\x01", request=True) and is_already_invalid(b"GET / HTTP/1.1\n\n", request=True)
    assert is_already_invalid(b"\xc3\xa9", request=True) and not is_already_invalid(b"\xc3\xa9", request=False)
    assert not is_already_invalid(b"GET / HTTP/1.1\r\nHos", request=True)
