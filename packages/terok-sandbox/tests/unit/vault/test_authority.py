from __future__ import annotations

import asyncio
import ssl
import stat
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from terok_sandbox.vault import authority
from terok_sandbox.vault.authority import CERTIFICATE_FILE, KEY_FILE, publish, server_context


async def fetch(state: Path, trusted: Path, host: str) -> bytes:
    """Say hello over TLS as a client that trusts the published certificate alone."""
    server = await asyncio.start_server(lambda _, writer: (writer.write(b"hello"), writer.close()), "127.0.0.1", 0,
                                        ssl=server_context(state))  # fmt: skip
    port = server.sockets[0].getsockname()[1]
    context = ssl.create_default_context(cafile=str(trusted))
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname=host)
        data = await reader.read()
        writer.close()
        return data
    finally:
        server.close()


@pytest.fixture
def folders(tmp_path: Path) -> tuple[Path, Path]:
    state, guest = tmp_path / "state", tmp_path / "guest"
    state.mkdir()
    guest.mkdir()
    publish(state, guest)
    return state, guest


async def test_clients_accept_the_loopback_and_nothing_else(folders: tuple[Path, Path]) -> None:
    state, guest = folders
    for host in ("localhost", "127.0.0.1"):
        assert await fetch(state, guest / CERTIFICATE_FILE, host) == b"hello"
    with pytest.raises(ssl.SSLCertVerificationError):
        await fetch(state, guest / CERTIFICATE_FILE, "api.example.com")


@pytest.mark.attack(id="TOK-4")
def test_only_a_certificate_is_shown_and_it_is_constrained(folders: tuple[Path, Path]) -> None:
    state, guest = folders
    shown = (guest / CERTIFICATE_FILE).read_bytes()
    assert b"PRIVATE" not in shown and [path.name for path in guest.iterdir()] == [CERTIFICATE_FILE]
    assert stat.S_IMODE((state / KEY_FILE).stat().st_mode) == 0o600
    certificate = x509.load_pem_x509_certificate(shown)
    constraints = certificate.extensions.get_extension_for_class(x509.NameConstraints)
    assert constraints.critical and {str(one.value) for one in constraints.value.permitted_subtrees} == {
        "localhost", "127.0.0.1/32"}  # fmt: skip
    assert (state / KEY_FILE).read_bytes().count(b"PRIVATE KEY-----") == 2, "the authority's own key is kept nowhere"


def test_a_certificate_is_kept_until_it_ends_soon(folders: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    state, guest = folders
    first = (guest / CERTIFICATE_FILE).read_bytes()
    (guest / CERTIFICATE_FILE).unlink()
    publish(state, guest)
    assert (guest / CERTIFICATE_FILE).read_bytes() == first
    old, _ = authority._issue(datetime.now(UTC) - timedelta(days=350))
    (state / KEY_FILE).write_bytes(old + first)
    publish(state, guest)
    assert (guest / CERTIFICATE_FILE).read_bytes() != first
    (state / KEY_FILE).write_bytes(b"damaged")
    publish(state, guest)
    server_context(state)


async def test_the_listener_chooses_http_1_1_whatever_is_offered(folders: tuple[Path, Path]) -> None:
    state, guest = folders
    server = await asyncio.start_server(lambda _, writer: writer.close(), "127.0.0.1", 0, ssl=server_context(state))
    port = server.sockets[0].getsockname()[1]
    for offered, chosen in ((["h2", "http/1.1"], "http/1.1"), (["h2"], None)):
        context = ssl.create_default_context(cafile=str(guest / CERTIFICATE_FILE))
        context.set_alpn_protocols(offered)
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, server_hostname="localhost")
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == chosen
        writer.close()
    server.close()
