"""What a tunnel through the airlock's proxy may say."""

from __future__ import annotations

import ssl
from collections.abc import Callable

import pytest
from attack_support import LAB, LAB6, Walled

Lab = Callable[[], list[dict]]


def hello(name: str | None) -> bytes:
    """Return a TLS client's first flight."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    outgoing = ssl.MemoryBIO()
    connection = context.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=name)
    with pytest.raises(ssl.SSLWantReadError):
        connection.do_handshake()
    return outgoing.read()


@pytest.mark.attack("TLS-1")
@pytest.mark.attack("TLS-2")
@pytest.mark.attack("TLS-3")
def test_a_tunnel_is_tls_to_the_name_that_was_judged(airlocked: Walled) -> None:
    said = {
        "fronted": hello("evil.test"),
        "without a name": hello(None),
        "not TLS": b"GET / HTTP/1.1\r\nHost: evil.test\r\n\r\n",
        "SSH": b"SSH-2.0-OpenSSH\r\n",
    }
    connect = b"CONNECT web.attack.test:443 HTTP/1.1\r\n\r\n"
    probes = [("127.0.0.1", 9421, connect + payload) for payload in said.values()]
    assert airlocked.raws(probes).count("Connection established\n\n") == len(said), "and not a byte behind that"
    wanted = "the TLS server name is not the host that was asked for"
    airlocked.until(lambda rows: wanted in {row.get("reason") for row in rows if row["action"] == "refused"})


@pytest.mark.attack("HTTP-1")
@pytest.mark.attack("TLS-1")
@pytest.mark.attack("HTTP-2")
@pytest.mark.attack("HTTP-4")
def test_plain_http_is_judged_like_a_tunnel(airlocked: Walled, lab: Lab) -> None:
    bad = (
        b"GET http://web.attack.test/ HTTP/1.1\r\nHost: evil.test\r\n\r\n",
        b"GET http://evil.test/ HTTP/1.1\r\nHost: web.attack.test\r\n\r\n",
        b"GET http://web.attack.test/ HTTP/1.1\r\nHost: web.attack.test\r\nHost: evil.test\r\n\r\n",
        b"GET / HTTP/1.1\r\nHost: web.attack.test\r\n\r\n",
        b"GET http://web.attack.test@evil.test/ HTTP/1.1\r\nHost: web.attack.test\r\n\r\n",
        b"CONNECT web.attack.test:22 HTTP/1.1\r\n\r\n",
        b"CONNECT web.attack.test\0.evil.test:443 HTTP/1.1\r\n\r\n",
        b"\5\1\0",
        b"\4\1\0\x50\xc6\x33\x64\x50\0",
    )
    assert "laboratory" not in airlocked.raws([("127.0.0.1", 9421, request) for request in bad])
    assert lab() == []
    later = (
        b"GET http://web.attack.test/ HTTP/1.1\r\nHost: web.attack.test\r\n\r\nGET http://evil.test/ HTTP/1.1\r\n\r\n"
    )
    assert airlocked.raw("127.0.0.1", 9421, later).count("laboratory") == 1
    assert {one["to"].removeprefix("::ffff:") for one in lab()} <= {LAB, LAB6}
