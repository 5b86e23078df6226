"""Real podman, nft, git and agents. Run through `tools/test`, which prepares a private terok and a private Podman."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import BASE, Shell


@pytest.fixture(scope="session")
def sh(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Run a command in the private environment."""
    assert "TEROK_ROOT" in os.environ, "run these tests through tools/test --integration"
    assert os.geteuid() != 0, "rootless Podman is what is tested"
    return Shell(dict(os.environ), tmp_path_factory.mktemp("cwd"))


@pytest.fixture(scope="session")
def ready(sh: Shell) -> Iterator[Shell]:
    """Give a machine after `terok-sandbox setup`; nothing of the tests may be left running afterwards."""
    if "CONTAINERS_STORAGE_CONF" in sh.environment:  # a private terok: what an interrupted run left goes first
        sh("podman", "rm", "-af", "-t", "0")
        shutil.rmtree(Path(sh.environment["TEROK_ROOT"]) / "config", ignore_errors=True)
    sh("terok-sandbox", "setup", timeout=120)
    yield sh
    left = sh("podman", "ps", "-a", "--format", "{{.Names}}", "--filter", "name=^it-").out.split()
    if "CONTAINERS_STORAGE_CONF" not in sh.environment:  # Podman's storage is shared: only what this terok launched
        sidecars = Path(sh.environment["TEROK_ROOT"]) / "state/sandbox/sidecar"
        left = [name for name in left if (sidecars / f"{name}.json").exists()]
    if left:
        sh("podman", "rm", "-f", "-t", "0", *left)
    sh("terok-sandbox", "supervisor", "stop", code=None)
    assert not left, f"containers left behind: {left}"


@pytest.fixture(scope="session")
def base_image(ready: Shell) -> str:
    """Return the local image that the sandbox's own tests start: the distribution and nothing else."""
    ready("terok-executor", "build", "demo", "--base", BASE, timeout=1200)
    return "localhost/terok-base:trixie"


@pytest.fixture(scope="session")
def real_key(ready: Shell) -> str:
    """Store a made-up key for the demo and Anthropic providers in the vault; no container may ever show it."""
    key = "real-" + secrets.token_urlsafe(36)
    for provider in ("demo", "anthropic"):
        ready("terok-executor", "auth", provider, stdin=key + "\n")
    return key


@pytest.fixture
def upstream(ready: Shell) -> Callable[[str, str], None]:
    """Point a provider at another upstream, as a user does: with a file in the configuration directory."""
    providers = Path(ready.environment["TEROK_ROOT"]) / "config/providers"
    providers.mkdir(parents=True, exist_ok=True)

    def point(provider: str, url: str) -> None:
        (providers / f"{provider}.yaml").write_text(f"upstream: {url}\n")

    return point


@pytest.fixture
def name() -> str:
    """Return a container name of its own for the test."""
    return f"it-{secrets.token_hex(4)}"


@pytest.fixture
def container(ready: Shell, name: str) -> Iterator[str]:
    """Give a container name; whatever the test made of it is removed afterwards."""
    yield name
    ready("terok-sandbox", "rm", name, code=None)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Make a small git repository with one commit."""
    path = tmp_path / "project"
    path.mkdir()
    (path / "README.md").write_text("# Project\n")
    git = ["git", "-C", str(path), "-c", "user.name=A Person", "-c", "user.email=person@example.test"]
    for words in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "Start"]):
        subprocess.run([*git, *words], check=True)
    return path


@pytest.fixture
def listener() -> Iterator[Callable[[str], tuple[int, Callable[[], int]]]]:
    """Open a TCP listener on an address of this host; call the second value for the number of connections so far."""
    opened: list[socket.socket] = []

    def listen(address: str) -> tuple[int, Callable[[], int]]:
        sock = socket.create_server((address, 0), backlog=16)
        sock.setblocking(False)
        opened.append(sock)
        count = 0

        def connections() -> int:
            nonlocal count
            while True:
                try:
                    sock.accept()[0].close()
                except BlockingIOError:
                    return count
                count += 1

        return sock.getsockname()[1], connections

    yield listen
    for sock in opened:
        sock.close()
