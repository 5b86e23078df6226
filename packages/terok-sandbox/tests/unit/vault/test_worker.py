from __future__ import annotations

import json
import os
import resource
import signal
import socket
import ssl
import threading
import time
import warnings
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from terok_sandbox.broker import serve
from terok_sandbox.netns.worker_context import WorkerContext
from terok_sandbox.sidecar import PolicyTiers, ShieldWiring, Sidecar, VaultWiring
from terok_sandbox.vault.authority import CERTIFICATE_FILE, publish

from .conftest import CONTAINER, Vault


@contextmanager
def broker(wiring: VaultWiring | None, listeners: dict[str, socket.socket], tmp_path: Path) -> Iterator[int]:
    """A forked broker, ended with SIGTERM; it must exit 0."""
    sidecar = Sidecar(1, "0", CONTAINER, "s", tmp_path, tmp_path, wiring, None,
                      ShieldWiring("filter", tmp_path / "a", PolicyTiers()))  # fmt: skip
    with warnings.catch_warnings():
        # Newer Pythons warn when idle threads of earlier tests are around; the child starts anew anyway.
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        code = 70
        try:
            code = serve(WorkerContext(sidecar, listeners, None, None, 1))
        finally:
            os._exit(code)
    try:
        yield child
    finally:
        os.kill(child, signal.SIGTERM)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def ask(address: tuple[str, int] | str, token: str = "") -> tuple[int, dict[str, object]]:
    family = socket.AF_UNIX if isinstance(address, str) else socket.AF_INET
    with socket.socket(family) as client:
        client.settimeout(10)
        client.connect(address)
        client.sendall(f"GET /x HTTP/1.1\r\nHost: a\r\nx-api-key: {token}\r\nConnection: close\r\n\r\n".encode())
        data = b""
        while piece := client.recv(65536):
            data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    return int(head.split()[1]), json.loads(body)


@pytest.fixture
def listeners(tmp_path: Path) -> Iterator[dict[str, socket.socket]]:
    unix = socket.socket(socket.AF_UNIX)
    unix.bind(str(tmp_path / "vault.sock"))
    unix.listen()
    sockets = {"vault": socket.create_server(("127.0.0.1", 0)), "vault-unix": unix}
    yield sockets
    for item in sockets.values():
        item.close()


def test_both_listeners_serve_and_survive_a_restart(
    files: Vault, listeners: dict[str, socket.socket], tmp_path: Path
) -> None:
    files.db.close()
    files.routes(stub={"upstream": "http://127.0.0.1:1"})
    for _ in range(2):
        with broker(files.wiring, listeners, tmp_path):
            for address in (listeners["vault"].getsockname(), str(tmp_path / "vault.sock")):
                status, document = ask(address, files.token)
                assert (status, document["error"]["code"]) == (502, "upstream_refused")
    assert (tmp_path / "vault.sock").exists()


@pytest.mark.attack(id="OPS-1")
def test_a_locked_vault_answers_503_and_recovers(
    files: Vault, listeners: dict[str, socket.socket], tmp_path: Path
) -> None:
    files.db.close()
    session = files.wiring.passphrase_file
    session.unlink()
    address = listeners["vault"].getsockname()
    with broker(files.wiring, listeners, tmp_path):
        status, document = ask(address, files.token)
        assert status == 503 and "vault unlock" in str(document["hint"])
        session.write_text(files.passphrase)
        session.chmod(0o600)
        status, document = ask(address, files.token)
        assert status == 503 and document["error"]["code"] == "routes_unusable"
        files.routes(stub={"upstream": "http://127.0.0.1:1"})
        assert ask(address, files.token)[0] == 502


def test_the_https_listener_serves_with_the_published_certificate(
    files: Vault, listeners: dict[str, socket.socket], tmp_path: Path
) -> None:
    files.db.close()
    files.routes(stub={"upstream": "http://127.0.0.1:1"})
    guest = tmp_path / "guest"
    guest.mkdir()
    publish(tmp_path, guest)
    with socket.create_server(("127.0.0.1", 0)) as tls, broker(files.wiring, {"vault-tls": tls}, tmp_path):
        context = ssl.create_default_context(cafile=str(guest / CERTIFICATE_FILE))
        with socket.create_connection(tls.getsockname(), timeout=10) as plain:
            client = context.wrap_socket(plain, server_hostname="localhost")
            client.sendall(f"GET /x HTTP/1.1\r\nHost: localhost\r\nx-api-key: {files.token}\r\n\r\n".encode())
            assert client.recv(65536).startswith(b"HTTP/1.1 502")
            client.close()


def test_without_a_certificate_the_other_listeners_serve(
    files: Vault, listeners: dict[str, socket.socket], tmp_path: Path
) -> None:
    files.db.close()
    files.routes(stub={"upstream": "http://127.0.0.1:1"})
    with socket.create_server(("127.0.0.1", 0)) as tls, broker(files.wiring, {"vault-tls": tls, **listeners}, tmp_path):
        assert ask(listeners["vault"].getsockname(), files.token)[0] == 502


def test_an_upload_of_five_gigabytes_takes_bounded_memory(
    files: Vault, listeners: dict[str, socket.socket], tmp_path: Path
) -> None:
    files.db.close()
    size, block, got = 5_000_000_000, bytes(1 << 20), [0]

    def provider() -> None:
        way, _ = upstream.accept()
        with way:
            got[0] = len(way.recv(65536).partition(b"\r\n\r\n")[2])
            buffer = bytearray(1 << 20)
            while got[0] < size and (count := way.recv_into(buffer)):
                got[0] += count
            way.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")

    with socket.create_server(("127.0.0.1", 0)) as upstream, broker(files.wiring, listeners, tmp_path) as pid:
        files.routes(stub={"upstream": f"http://127.0.0.1:{upstream.getsockname()[1]}"})
        ask(listeners["vault"].getsockname())
        before = peak(pid)
        taking = threading.Thread(target=provider, daemon=True)
        taking.start()
        with socket.create_connection(listeners["vault"].getsockname(), timeout=60) as client:
            head = f"POST /x HTTP/1.1\r\nHost: a\r\nx-api-key: {files.token}\r\nContent-Length: {size}\r\n\r\n"
            client.sendall(head.encode())
            for start in range(0, size, len(block)):
                client.sendall(block[: size - start])
            assert client.recv(65536).startswith(b"HTTP/1.1 200")
        taking.join(60)
        assert got == [size] and peak(pid) - before < 32, "MiB"


@pytest.fixture
def descriptors() -> Iterator[None]:
    """As many descriptors as the kernel lets this user have, for both sides of a flood."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.attack(id="ACC-1")
@pytest.mark.parametrize("first", [b"", b"\x16\x03\x01"], ids=["silent", "begun"])
@pytest.mark.parametrize("name", ["vault", "vault-unix", "vault-tls", "ssh-agent"])
def test_six_thousand_connections_that_say_nothing(
    files: Vault, tmp_path: Path, descriptors: None, name: str, first: bytes
) -> None:
    """ACC-1: what waits for a handshake or a head is bounded before memory is set aside for it; others are served."""
    files.db.close()
    files.routes(stub={"upstream": "http://127.0.0.1:1"})
    (tmp_path / "guest").mkdir()
    publish(tmp_path, tmp_path / "guest")
    trusted = ssl.create_default_context(cafile=str(tmp_path / "guest" / CERTIFICATE_FILE))
    path = str(tmp_path / "flooded.sock")

    def connect() -> socket.socket:
        client = socket.socket(flooded.family)
        client.connect(flooded.getsockname())  # waits for room in the queue, which a socket with a time-out does not
        client.settimeout(10)
        return client

    def served() -> bool:
        client = connect()
        if name == "vault-tls":
            client = trusted.wrap_socket(client, server_hostname="localhost")
        with client:
            client.sendall(b"\0\0\0\1\x0b" if name == "ssh-agent" else b"GET /-/health HTTP/1.1\r\nHost: a\r\n\r\n")
            return client.recv(100).startswith(b"\0" if name == "ssh-agent" else b"HTTP/1.1 200")

    with socket.socket(socket.AF_UNIX if name in ("vault-unix", "ssh-agent") else socket.AF_INET) as flooded:
        flooded.bind(path if flooded.family == socket.AF_UNIX else ("127.0.0.1", 0))
        flooded.listen(512)
        with broker(replace(files.wiring, ssh_scope="s"), {name: flooded}, tmp_path) as pid, ExitStack() as crowd:
            assert served()
            before = peak(pid)
            for _ in range(6000):
                client = crowd.enter_context(connect())
                with suppress(ConnectionError):
                    client.sendall(first)
            assert served(), "in the middle of it"
            crowd.close()
            assert served(), "afterwards"
            assert peak(pid) - before < 64, "MiB"


def peak(pid: int) -> int:
    """The most memory a process ever had, in MiB."""
    status = Path(f"/proc/{pid}/status").read_text()
    return int(status.partition("VmHWM:")[2].split()[0]) // 1024


def test_without_a_vault_it_waits_to_be_told_to_stop(tmp_path: Path) -> None:
    with broker(None, {}, tmp_path) as child:
        time.sleep(0.2)
        assert os.waitpid(child, os.WNOHANG) == (0, 0)
