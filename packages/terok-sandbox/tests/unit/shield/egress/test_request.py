from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.shield.egress.request import MAX_HEAD, BadProxyRequest, Head, split_head
from terok_sandbox.shield.egress.request import parse_head as parse_whole_head

GET = b"GET http://a.example/x?y HTTP/1.1\r\nHost: a.example\r\n"


def parse_head(head: bytes) -> Head:
    return parse_whole_head(head + b"\r\n")


def test_what_is_sent_on_is_written_anew() -> None:
    extra = b"Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nUpgrade: h2c\r\nHTTP2-Settings: AA\r\nX:  v \r\n"
    head = parse_head(GET + extra)
    assert head.forward == b"GET /x?y HTTP/1.1\r\nHost: a.example\r\nX: v\r\nConnection: close\r\n\r\n"
    assert (head.host, head.port, head.body) == ("a.example", 80, 0)
    assert b"X: \xc3\xa9\r\n" in parse_head(GET + b"X: \xc3\xa9\r\n").forward
    assert parse_head(b"CONNECT a.example:443 HTTP/1.1\r\nHost: b.example\r\n") == Head(True, "a.example", 443)
    for spelled in (b"2001:db8::1", b"2001:0DB8:0::0001"):
        assert parse_head(b"CONNECT [" + spelled + b"]:443 HTTP/1.1\r\n").host == "2001:db8::1"
    post = b"POST http://a.example:8080 HTTP/1.1\r\nHost: a.example:8080\r\nContent-Length: 5\r\n"
    assert parse_head(post).body == 5
    assert parse_head(post).forward.startswith(b"POST / HTTP/1.1\r\n")


@pytest.mark.attack("HTTP-4")
@pytest.mark.attack("TLS-1")
@pytest.mark.parametrize(
    "head",
    [
        *(GET + b"Host: b.example\r\n", GET.replace(b"Host: a", b"Host: b"), b"GET http://a.example/ HTTP/1.1\r\n"),
        *(
            GET + b" folded: x\r\n",
            GET + b"X : y\r\n",
            GET + b"X: y\nZ: w\r\n",
            GET + b"X: a\rb\r\n",
            GET + b"X: \0\r\n",
            GET.replace(b"?y", b"?\xc3\xa9"),
            GET + b"X\xc3\xa9: y\r\n",
        ),
        *(GET + b"Content-Length: 5\r\n", GET + b"Transfer-Encoding: chunked\r\n", b"GET /x HTTP/1.1\r\nHost: a\r\n"),
        b"POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nContent-Length: 1\r\n",
        b"POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: +1\r\n",
        b"POST http://a/ HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n",
        b"POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n",
        b"POST http://a/ HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n",
        *(b"TRACE http://a/ HTTP/1.1\r\nHost: a\r\n", b"GET https://a/ HTTP/1.1\r\nHost: a\r\n", b"PRI * HTTP/2.0\r\n"),
        *(b"CONNECT a.example HTTP/1.1\r\n", b"CONNECT a:0 HTTP/1.1\r\n", b"CONNECT a:99999 HTTP/1.1\r\n"),
        *(b"CONNECT [1.2.3.4]:443 HTTP/1.1\r\n", b"CONNECT [::1::]:443 HTTP/1.1\r\n"),
        *(b"CONNECT u@a:443 HTTP/1.1\r\n", b"CONNECT a\0.b:443 HTTP/1.1\r\n", b"CONNECT  a:443 HTTP/1.1\r\n"),
        *(b"GET http://u:p@a/ HTTP/1.1\r\nHost: a\r\n", b"GET http://a\\b/ HTTP/1.1\r\nHost: a\r\n", b"\r\n", b"x\r\n"),
    ],
)
def test_requests_that_could_be_read_twice_are_refused(head: bytes) -> None:
    with pytest.raises(BadProxyRequest) as refused:
        parse_head(head)
    assert refused.value.status in (400, 405)


@given(st.binary(max_size=300))
def test_any_bytes_are_a_head_or_refused(junk: bytes) -> None:
    for data in (junk, GET + junk + b"\r\n", b"CONNECT " + junk + b" HTTP/1.1\r\n"):
        try:
            head = parse_head(data)
        except BadProxyRequest:
            continue
        assert 0 < head.port < 65536
        assert head.forward.count(b"\r\n\r\n") <= 1
        assert b"\n" not in head.forward.replace(b"\r\n", b"")


def test_heads_are_bounded() -> None:
    assert split_head(b"GET ") is None
    assert split_head(GET + b"\r\nrest") == (GET + b"\r\n", b"rest")
    with pytest.raises(BadProxyRequest, match="too large"):
        split_head(b"a" * (MAX_HEAD + 1))
