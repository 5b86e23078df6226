"""The agent against OpenSSH's own client, and against bytes that no client sends."""

from __future__ import annotations

import asyncio
import os
import socket as socketlib
import subprocess
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.audit import read_audit
from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.access import VaultAccess
from terok_sandbox.vault.errors import BadCredential, VaultError
from terok_sandbox.vault.ssh import agent_protocol as wire
from terok_sandbox.vault.ssh import keys
from terok_sandbox.vault.ssh.agent import MAX_CONNECTIONS, ContainerAgent, host_agent
from terok_sandbox.vault.ssh.store import SSHManager
from terok_sandbox.vault.unlock import open_vault, provision_session


def add(database, scope: str, pair: keys.KeyPair, comment: str = "c") -> int:
    number = SSHManager(database).add(pair.key_type, pair.private_der, pair.public_blob, comment, pair.fingerprint)
    SSHManager(database).assign(scope, number)
    return number


def openssh(socket: Path, *argv: str, stdin: bytes = b"", code: int = 0) -> str:
    done = subprocess.run(
        argv, input=stdin, capture_output=True, timeout=20, env={**os.environ, "SSH_AUTH_SOCK": str(socket)}
    )
    assert done.returncode == code, done.stderr
    return done.stdout.decode()


def signs(socket: Path, public: Path, work: Path) -> None:
    """Sign with the agent by `ssh-keygen -Y` and have OpenSSH verify it."""
    signature = openssh(socket, "ssh-keygen", "-Y", "sign", "-n", "file", "-f", str(public), stdin=b"text")
    (work / "sig").write_text(signature)
    (work / "allowed").write_text("someone " + public.read_text())
    checked = ["-s", str(work / "sig"), "-n", "file", "-I", "someone", "-f", str(work / "allowed")]
    assert "Good" in openssh(socket, "ssh-keygen", "-Y", "verify", *checked, stdin=b"text")


@pytest.fixture
def cfg(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> SandboxConfig:
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path / "root"))
    provision_session(SandboxConfig())
    return SandboxConfig()


@pytest.mark.parametrize("key_type", ["ed25519", "rsa"])
def test_openssh_lists_and_signs_on_the_host(cfg: SandboxConfig, tmp_path: Path, key_type: keys.KeyType) -> None:
    pair = keys.mint(key_type)
    with open_vault(cfg) as database:
        add(database, "proj", pair, "a comment")
        add(database, "other", keys.mint())
    line = wire.public_line(pair.public_blob, "a comment")
    (tmp_path / "key.pub").write_text(line + "\n")
    with host_agent(cfg, "proj") as socket:
        assert socket.stat().st_mode & 0o777 == 0o600
        assert openssh(socket, "ssh-add", "-L").strip() == line
        signs(socket, tmp_path / "key.pub", tmp_path)
        openssh(socket, "ssh-add", "-D", code=1)
        (tmp_path / "other").write_bytes(keys.mint().openssh_private())
        (tmp_path / "other").chmod(0o600)
        openssh(socket, "ssh-add", str(tmp_path / "other"), code=1)
    assert not socket.exists()


async def test_a_container_s_agent_records_and_keeps_to_its_scope(files, tmp_path: Path) -> None:
    mine, foreign = keys.mint(), keys.mint()
    add(files.db, "proj", mine)
    add(files.db, "other", foreign)
    access = VaultAccess(files.wiring)
    agent = ContainerAgent(access, "proj", "box", tmp_path / "audit.jsonl")
    answer = agent._agent.answer
    assert [key.public_blob for key in (await agent._opened()).of_scope("proj")] == [mine.public_blob]
    ask = b"\x0d" + wire.string(mine.public_blob) + wire.string(b"data") + bytes(4)
    assert (await answer(ask))[0] == 14
    assert await answer(ask.replace(mine.public_blob, foreign.public_blob)) == wire.FAILURE
    add(files.db, "proj", keys.mint("rsa"))
    rsa = next(key.public_blob for key in SSHManager(files.db).of_scope("proj") if key.key_type == "rsa")
    assert await answer(b"\x0d" + wire.string(rsa) + wire.string(b"data") + bytes(4)) == wire.FAILURE
    rows = [(row["action"], row["key"]) for row in read_audit(tmp_path / "audit.jsonl")]
    assert rows == [("ssh-sign", mine.fingerprint)]
    agent._audit._path = tmp_path
    agent.close()
    assert await answer(ask) == wire.FAILURE
    files.wiring.passphrase_file.unlink()
    await asyncio.sleep(0.01)
    assert await answer(b"\x0b") == wire.FAILURE
    files.db.close()


async def test_sha1_is_refused(files, tmp_path: Path) -> None:
    pair = keys.mint("rsa")
    for flags, name in ((0, None), (1, None), (2, b"rsa-sha2-256"), (4, b"rsa-sha2-512"), (6, b"rsa-sha2-512")):
        signature = keys.sign(pair.private_der, b"x", flags)
        assert signature is None if name is None else signature is not None and signature[4:16] == name
    files.db.close()


@given(st.binary(max_size=200) | st.binary(max_size=60).map(lambda data: b"\x0d" + data))
def test_any_message_is_parsed_or_refused(message: bytes) -> None:
    request = wire.parse_request(message)
    if isinstance(request, wire.Sign):
        again = b"\x0d" + wire.string(request.blob) + wire.string(request.data) + request.flags.to_bytes(4, "big")
        assert again == message
    else:
        assert request is None or message == b"\x0b"


def test_frames_are_bounded(cfg: SandboxConfig) -> None:
    import socket

    pair = keys.mint()
    with open_vault(cfg) as database:
        add(database, "proj", pair, "c")
    with pytest.raises(VaultError, match="no SSH key of the scope other"), host_agent(cfg, "other"):
        pass
    with host_agent(cfg, "proj") as path:
        for head in (b"\xff\xff\xff\xff", (wire.MAX_MESSAGE + 1).to_bytes(4, "big"), bytes(4)):
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(5)
                client.connect(str(path))
                client.sendall(head + b"x" * 10)
                assert client.recv(10) == b""
        with socket.socket(socket.AF_UNIX) as client:
            client.settimeout(5)
            client.connect(str(path))
            for byte in wire.string(b"\x0b"):
                client.sendall(bytes([byte]))
            assert client.recv(1000) == wire.string(wire.identities_answer([(pair.public_blob, "c")]))
            client.sendall(wire.string(b"\x11" + b"x" * 1000))
            assert client.recv(100) == wire.string(wire.FAILURE)


def test_defaults_and_scopes(cfg: SandboxConfig) -> None:
    with open_vault(cfg) as database:
        store = SSHManager(database)
        one, two = (add(database, "proj", keys.mint(), comment) for comment in ("one", "two"))
        assert [key.comment for key in store.of_scope("proj")] == ["one", "two"]
        store.set_default("proj", two)
        assert [(key.comment, key.is_default) for key in store.of_scope("proj")] == [("two", True), ("one", False)]
        with pytest.raises(BadCredential):
            store.set_default("proj", 99)
        assert store.of_scope("proj")[0].is_default
        store.assign("other", two)
        assert store.delete(store.of_scope("proj")[0].fingerprint)
        assert store.of_scope("other") == [] and store.of_scope("proj")[0].is_default
        with pytest.raises(BadCredential):
            store.assign("a/b", one)


def test_what_is_imported(tmp_path: Path) -> None:
    def made(*words: str) -> bytes:
        path = tmp_path / f"k{len(list(tmp_path.iterdir()))}"
        subprocess.run(["ssh-keygen", "-q", "-f", str(path), *words], check=True, timeout=60)
        return path.read_bytes()

    key = made("-t", "ed25519", "-N", "")
    pair = keys.import_private(key)
    assert keys.import_private(pair.openssh_private()) == pair
    assert keys.import_private(made("-t", "rsa", "-b", "3072", "-m", "PEM", "-N", "")).key_type == "rsa"
    for words in (
        ("-t", "ed25519", "-N", "password"),
        ("-t", "rsa", "-b", "2048", "-N", ""),
        ("-t", "ecdsa", "-N", ""),
    ):
        with pytest.raises(BadCredential):
            keys.import_private(made(*words))
    for data in (b"", b"-----BEGIN OPENSSH PRIVATE KEY-----\n", key[:-60], b"\xff" * 100):
        with pytest.raises(BadCredential):
            keys.import_private(data)


async def test_idle_connections_do_not_close_the_agent_for_others(files, tmp_path: Path) -> None:
    add(files.db, "proj", keys.mint())
    agent = ContainerAgent(VaultAccess(files.wiring), "proj", "box", tmp_path / "audit.jsonl")
    path = tmp_path / "agent.sock"
    listener = socketlib.socket(socketlib.AF_UNIX)
    listener.bind(str(path))
    listener.listen(256)
    agent.start(listener)
    request = wire.string(bytes([11]))

    async def ask(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bytes:
        writer.write(request)
        return await reader.readexactly(int.from_bytes(await reader.readexactly(4), "big"))

    async with asyncio.timeout(20):
        used = await asyncio.open_unix_connection(path)
        assert await ask(*used)
        idle = []
        for _ in range(3 * MAX_CONNECTIONS):
            idle.append(await asyncio.open_unix_connection(path))
            assert await ask(*used), "one that is used keeps its place"
        idle.append(await asyncio.open_unix_connection(path))
        assert await ask(*idle[-1])
        assert await idle[0][0].read() == b"", "the one that has waited for longest made room"
    for _, writer in (used, *idle):
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()
    agent.close()
    listener.close()
    files.db.close()
