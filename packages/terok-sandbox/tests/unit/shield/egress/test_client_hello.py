from __future__ import annotations

import ssl
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.shield.egress.client_hello import Hello, HelloError, read_hello


def hello(name: str | None = "www.example.com") -> bytes:
    """Return the first flight of the real TLS library."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


def extension(kind: int, body: bytes) -> bytes:
    return kind.to_bytes(2, "big") + len(body).to_bytes(2, "big") + body


def sni(*names: bytes) -> bytes:
    entries = b"".join(b"\0" + len(name).to_bytes(2, "big") + name for name in names)
    return extension(0, len(entries).to_bytes(2, "big") + entries)


def made(*extensions: bytes) -> bytes:
    joined = b"".join(extensions)
    body = b"\3\3" + bytes(32) + b"\0" + b"\0\2\x13\1" + b"\1\0" + len(joined).to_bytes(2, "big") + joined
    message = b"\1" + len(body).to_bytes(3, "big") + body
    return b"\x16\3\1" + len(message).to_bytes(2, "big") + message


@pytest.mark.attack("TLS-3")
def test_the_name_is_read_from_a_real_client() -> None:
    assert read_hello(hello()) == Hello("www.example.com", encrypted=False)
    assert read_hello(hello(None)) == Hello(None, encrypted=False)
    assert read_hello(made(sni(b"a.example"), extension(0xFE0D, b"x"))) == Hello("a.example", encrypted=True)


@given(st.integers(min_value=0, max_value=2000))
def test_a_hello_cut_anywhere_needs_more(cut: int) -> None:
    whole = made(sni(b"a.example"), extension(21, bytes(1500)))
    expected = None if cut < len(whole) else Hello("a.example", encrypted=False)
    assert read_hello(whole[:cut]) == expected


def test_a_hello_in_many_records_is_one() -> None:
    message = made(sni(b"a.example"))[5:]
    split = b"".join(b"\x16\3\1\0\1" + message[at : at + 1] for at in range(len(message)))
    assert read_hello(split + b"\x14\3\3\0\1\1") == Hello("a.example", encrypted=False)
    with pytest.raises(HelloError, match="too many"):
        read_hello(b"".join(b"\x16\3\1\0\1" + bytes([byte]) for byte in (1, 0, 0x40, *bytes(300))))


@pytest.mark.parametrize(
    "data",
    [
        *(b"GET / HTTP/1.1\r\n", b"SSH-2.0-x\r\n", b"\x16\2\0\0\1\1", b"\x16\3\1\0\0", b"\x16\3\1\xff\xff"),
        *(b"\x16\3\1\0\4\2\0\0\0", b"\x16\3\1\0\4\1\xff\xff\xff", made(sni(b"a", b"b")), made(sni(b""))),
        *(made(sni(b"a"), sni(b"b")), made(sni("ä".encode()))),
    ],
)
def test_other_bytes_are_refused_or_incomplete(data: bytes) -> None:
    with suppress(HelloError):
        assert read_hello(data) is None


@given(st.binary(max_size=400), st.integers(min_value=0, max_value=120), st.binary(min_size=1, max_size=3))
def test_hostile_bytes_give_an_answer(junk: bytes, at: int, change: bytes) -> None:
    whole = made(sni(b"a.example"))
    for data in (junk, whole[:at] + change + whole[at + len(change) :], whole[:5] + junk):
        try:
            found = read_hello(data)
        except HelloError:
            continue
        assert found is None or isinstance(found, Hello)
