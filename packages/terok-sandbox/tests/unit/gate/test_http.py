"""The gate's own HTTP: what a head may not say, and what becomes of the connection."""

from __future__ import annotations

import socket
from urllib.parse import urlsplit

import pytest

TOKEN = "tk-0123456789abcdef"  # as conftest serves with
CALL = f"POST /proj.git/git-upload-pack HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"
KIND = "Content-Type: application/x-git-upload-pack-request\r\n"
HEAD = f"GET /proj.git/HEAD HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n"


def talk(url: str, sent: bytes, *, half: bool = False) -> bytes:
    """Send bytes and return all that comes back until the gate ends the connection."""
    with socket.create_connection(("127.0.0.1", urlsplit(url).port or 0), timeout=20) as raw:
        raw.sendall(sent)
        if half:
            raw.shutdown(socket.SHUT_WR)
        got = b""
        while data := raw.recv(65536):
            got += data
        return got


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        ("GET /proj.git/HEAD\r\n\r\n", 400),
        ("GET /proj.git/HEAD HTTP/2.0\r\n\r\n", 400),
        ("GET /proj.git/HEAD HTTP/1.1\nHost: x\n\n", 400),
        ("GET /proj.git/HEAD HTTP/1.1\r\nHost x\r\n\r\n", 400),
        (HEAD + "Authorization: Bearer other\r\n\r\n", 400),
        (CALL + KIND + "Content-Length: 4\r\nContent-Length: 4\r\n\r\n0000", 400),
        (CALL + KIND + "Content-Length: 4\r\nTransfer-Encoding: chunked\r\n\r\n4\r\n0000\r\n0\r\n\r\n", 400),
        (CALL + KIND + "Content-Length: +4\r\n\r\n0000", 400),
        (CALL + KIND + "Transfer-Encoding: gzip, chunked\r\n\r\n", 400),
        (CALL.replace("1.1", "1.0") + KIND + "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
        (HEAD + "".join(f"X-{number}: y\r\n" for number in range(200)) + "\r\n", 400),
        (HEAD + "X-Long: " + "y" * 100_000 + "\r\n\r\n", 431),
    ],
)
def test_heads_that_can_be_read_in_two_ways_are_refused(url: str, sent: str, status: int) -> None:
    answer = talk(url, sent.encode())
    assert answer.startswith(f"HTTP/1.1 {status} ".encode()), answer
    assert answer.count(b"HTTP/1.1 4") == 1 and b"Connection: close\r\n" in answer


def test_a_connection_carries_several_calls_until_one_is_refused(url: str) -> None:
    first = f"GET /proj.git/HEAD HTTP/1.1\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    anonymous = "GET /proj.git/HEAD HTTP/1.1\r\n\r\n"  # git asks so first
    unknown = first.replace("HEAD", "config", 1)
    answer = talk(url, (anonymous + first + unknown + first).encode())
    statuses = [part[:3] for part in answer.split(b"HTTP/1.1 ")[1:]]
    assert statuses == [b"401", b"200", b"404"]


def test_an_older_client_gets_its_answer_to_the_end_of_the_connection(url: str) -> None:
    ask = f"GET /proj.git/info/refs?service=git-upload-pack HTTP/1.0\r\nAuthorization: Bearer {TOKEN}\r\n\r\n"
    head, _, body = talk(url, ask.encode()).partition(b"\r\n\r\n")
    assert b"chunked" not in head and b"Connection: close" in head
    assert body.startswith(b"001e# service=git-upload-pack\n0000") and body.endswith(b"0000")


def test_a_body_is_asked_for_where_the_client_waits(url: str) -> None:
    waiting = CALL + KIND + "Expect: 100-continue\r\nContent-Length: 4\r\nConnection: close\r\n\r\n0000"
    assert talk(url, waiting.encode()).startswith(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 ")
    refused = waiting.replace(TOKEN, "wrong")
    assert talk(url, refused.encode()).startswith(b"HTTP/1.1 401 ")


def test_chunks_that_are_none_end_the_call(url: str) -> None:
    answer = talk(url, (CALL + KIND + "Transfer-Encoding: chunked\r\n\r\nzz\r\n").encode())
    assert answer.split(b" ")[1] in (b"400", b"502"), answer
