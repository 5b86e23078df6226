"""Real OpenSSH signs with keys that stay in the vault: inside a container, and on the host against a real sshd."""

from __future__ import annotations

import getpass
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support import Shell, tool

IMAGE = "localhost/terok-l0:mmdebstrap-trixie"
AGENT = """
import os, subprocess, sys
from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.ssh.agent import host_agent
with host_agent(SandboxConfig.load(), sys.argv[1]) as path:
    sys.exit(subprocess.run(sys.argv[2:], env={**os.environ, "SSH_AUTH_SOCK": str(path)}).returncode)
"""


@pytest.fixture
def scope(ready: Shell, name: str) -> Iterator[str]:
    """Give a scope whose keys are deleted afterwards."""
    yield f"{name}-scope"
    for key in ready("terok-sandbox", "ssh", "list", "--scope", f"{name}-scope", "--json").json()["keys"]:
        ready("terok-sandbox", "ssh", "remove", "--fingerprint", key["fingerprint"], "--yes")


@pytest.fixture
def sshd(tmp_path: Path) -> Iterator[int]:
    """Run Debian's sshd on the loopback as this user; keys are taken from `authorized` in tmp_path."""
    server = "/usr/sbin/sshd" if Path("/usr/sbin/sshd").exists() else tool("sshd")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", tmp_path / "host"], check=True)
    (tmp_path / "sshd_config").write_text(
        f"Port {port}\nListenAddress 127.0.0.1\nHostKey {tmp_path}/host\nPidFile none\nUsePAM no\nStrictModes no\n"
        f"AuthorizedKeysFile {tmp_path}/authorized\nPasswordAuthentication no\nKbdInteractiveAuthentication no\n"
    )
    argv = [server, "-D", "-e", "-f", str(tmp_path / "sshd_config")]
    with (tmp_path / "log").open("wb") as log, subprocess.Popen(argv, stderr=log) as process:
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    break
            time.sleep(0.05)
        yield port
        process.terminate()


def test_a_container_signs_with_keys_it_never_has(ready: Shell, base_image: str, container: str, scope: str) -> None:
    keys = [ready("terok-sandbox", "ssh", "add", scope, "--key-type", kind).out.strip() for kind in ("ed25519", "rsa")]
    foreign = ready("terok-sandbox", "ssh", "add", f"{scope}-other").out.strip()
    ready("terok-sandbox", "run", "--name", container, "--ssh-scope", scope, "-d", IMAGE, "sleep", "300")

    def inside(script: str, code: int = 0) -> str:
        return ready("podman", "exec", container, "sh", "-c", script, code=code).text

    assert inside("ssh-add -L").strip().splitlines() == keys
    assert foreign.split()[1] not in inside("ssh-add -L")
    for line in keys:
        inside(f"cd /tmp && echo '{line}' > k.pub && echo 'me {line}' > allowed && echo text > text")
        inside("cd /tmp && rm -f text.sig && ssh-keygen -q -Y sign -n file -f k.pub text")
        assert "Good" in inside("cd /tmp && ssh-keygen -Y verify -n file -I me -f allowed -s text.sig < text")
    inside(f"cd /tmp && echo '{foreign}' > f.pub && ssh-keygen -q -Y sign -n file -f f.pub text", code=255)
    inside("ssh-add -D", code=1)
    inside("cd /tmp && ssh-keygen -q -t ed25519 -N '' -f new && ssh-add new", code=1)
    rows = ready("terok-sandbox", "vault", "audit", container, "--provider", "ssh", "--json").out.splitlines()
    assert len(rows) == 2
    assert "intact" in ready("terok-sandbox", "vault", "audit", container, "--verify").out
    ready("terok-sandbox", "vault", "lock")
    try:
        assert inside("ssh-add -L", code=1)
    finally:
        ready("terok-sandbox", "vault", "unlock")
    assert inside("ssh-add -L").strip().splitlines() == keys
    for key in ready("terok-sandbox", "ssh", "list", "--scope", f"{scope}-other", "--json").json()["keys"]:
        ready("terok-sandbox", "ssh", "remove", "--fingerprint", key["fingerprint"], "--yes")


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_the_host_logs_in_with_a_key_from_the_vault(
    ready: Shell, scope: str, sshd: int, tmp_path: Path, kind: str
) -> None:
    def login(*, code: int) -> str:
        options = ("-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null")
        target = ("-o", "BatchMode=yes", "-T", "-p", str(sshd), f"{getpass.getuser()}@127.0.0.1", "echo it works")
        return ready(sys.executable, "-c", AGENT, scope, "ssh", *options, *target, code=code).out

    line = ready("terok-sandbox", "ssh", "add", scope, "--key-type", kind).out
    (tmp_path / "authorized").touch()
    login(code=255)
    (tmp_path / "authorized").write_text(line)
    assert login(code=0) == "it works\n", (tmp_path / "log").read_text()
    assert os.environ.get("SSH_AUTH_SOCK") is None
