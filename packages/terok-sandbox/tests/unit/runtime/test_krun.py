from __future__ import annotations

import itertools
import os
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import EngineError, EngineTimeout
from terok_sandbox.runtime.guest import GuestEndpoint, GuestKeys, SshTransport, read_endpoint
from terok_sandbox.runtime.krun import KrunRuntime


class LocalGuest:
    """A guest that is this host: what ssh would hand to the guest's shell is given to a shell here."""

    def __init__(self, transport: SshTransport) -> None:
        self.transport = transport

    def argv(
        self, container: str, command: Sequence[str], *, tty: bool = False, env: Mapping[str, str] | None = None
    ) -> list[str]:
        return ["/bin/sh", "-c", self.transport.argv(container, command, tty=tty, env=env)[-1]]


@pytest.fixture
def keys(tmp_path: Path) -> GuestKeys:
    return GuestKeys.make(tmp_path / "keys")


def transport(keys: GuestKeys, workdir: str = "/") -> SshTransport:
    return SshTransport(keys, resolve=lambda name: GuestEndpoint("127.0.0.1", 40022), workdir=workdir)


@pytest.fixture
def runtime(keys: GuestKeys, tmp_path: Path) -> KrunRuntime:
    config = SandboxConfig(state_dir=tmp_path, runtime_dir=tmp_path, config_dir=tmp_path, vault_dir=tmp_path)
    return KrunRuntime(LocalGuest(transport(keys)), config)


def test_ssh_uses_this_key_and_trusts_that_guest_only(keys: GuestKeys) -> None:
    argv = transport(keys, "/workspace").argv("vm", ["git", "log", "a b; rm -rf /"], tty=True, env={"A": "x y"})
    assert argv[1:3] == ["-F", "none"]
    assert argv[argv.index("-i") + 1] == str(keys.identity)
    assert argv[argv.index("-p") + 1] == "40022"
    options = {value for flag, value in itertools.pairwise(argv) if flag == "-o"}
    known = f"UserKnownHostsFile={keys.known_hosts}"
    assert {"BatchMode=yes", "IdentitiesOnly=yes", "StrictHostKeyChecking=yes", "IdentityAgent=none", known} <= options
    remote = "cd /workspace && exec env 'A=x y' git log 'a b; rm -rf /'"
    assert argv[-3:] == ["--", "dev@127.0.0.1", remote]
    assert "-tt" in argv and "-tt" not in transport(keys).argv("vm", ["true"])


def test_keys_are_private_new_and_understood_by_openssh(keys: GuestKeys, tmp_path: Path) -> None:
    for path in (keys.identity, keys.host_key, keys.authorized_keys, keys.known_hosts):
        assert path.stat().st_mode & 0o777 == 0o600
    words = ["ssh-keygen", "-y", "-f"]
    mine = subprocess.run([*words, str(keys.identity)], capture_output=True, text=True, check=True).stdout.strip()
    guest = subprocess.run([*words, str(keys.host_key)], capture_output=True, text=True, check=True).stdout.strip()
    assert keys.authorized_keys.read_text().strip() == mine
    assert keys.known_hosts.read_text() == f"terok-guest {guest}\n"
    assert GuestKeys.make(tmp_path / "others").identity.read_bytes() != keys.identity.read_bytes()


def test_commands_run_in_the_guest(runtime: KrunRuntime) -> None:
    done = runtime.exec("vm", ["sh", "-c", "echo out; echo err >&2; exit 3"])
    assert done == (3, "out\n", "err\n")
    with pytest.raises(EngineTimeout):
        runtime.exec("vm", ["sleep", "30"], timeout=0.2)
    with pytest.raises(EngineError, match="cannot be reached"):
        runtime.exec("vm", ["sh", "-c", "exit 255"])
    assert runtime.container("vm").login_command(["bash"])[-1] == "cd / && exec bash"
    assert runtime.container("vm").login_command()[-1].endswith("tmux new-session -A -s main")


def test_streams_are_the_caller_s(runtime: KrunRuntime) -> None:
    reading, writing = os.pipe()
    os.write(writing, b"\x00binary\xff")
    os.close(writing)
    back, answer = os.pipe()
    words = ["sh", "-c", 'cat; printf %s "$A"']
    assert runtime.exec_stdio("vm", words, stdin=reading, stdout=answer, stderr=2, env={"A": "x y"}, timeout=5) == 0
    os.close(answer)
    assert os.read(back, 100) == b"\x00binary\xffx y"
    for descriptor in (reading, back):
        os.close(descriptor)


@given(st.lists(st.text(st.characters(codec="utf-8", exclude_characters="\0")), min_size=1, max_size=4))
def test_every_word_arrives_as_it_was(words: list[str]) -> None:
    keys = GuestKeys(Path("/k"))
    remote = transport(keys).argv("vm", words)[-1].removeprefix("cd / && exec ")
    assert shlex.split(remote) == words


def test_published_ports() -> None:
    assert read_endpoint("127.0.0.1:40022\n", "vm") == ("127.0.0.1", 40022)
    assert read_endpoint("0.0.0.0:1\n127.0.0.1:2\n", "vm") == ("127.0.0.1", 2)
    for text in ("", "0.0.0.0:40022", "127.0.0.1:0", "127.0.0.1:99999", "127.0.0.1:٣", "x"):
        with pytest.raises(EngineError):
            read_endpoint(text, "vm")
