"""Real podman, nft, git and agents. Run through `tools/test`, which prepares a private terok and a private Podman."""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from product import COMMIT, LEFT, make_project, remove_containers
from support import BASE, Shell, Terminal
from terok.stub import Script, StubProvider, running_stub
from xdist.scheduler import LoadScopeScheduling

LABORATORY = ("attack", "test_clearance.py", "test_egress.py")
"""Tests that read the record of the laboratory network; in one worker, so that none finds the contacts of another."""
BUILDS = ("test_images.py", "test_projects.py", "test_registries.py", "test_sandbox_alone.py")
"""Tests that build from our images, or cut builds short; in one worker, because they share Podman's storage."""


def pytest_configure() -> None:
    """Give each worker of pytest-xdist its own terok; they share Podman's storage and the images."""
    worker = os.environ.get("PYTEST_XDIST_WORKER")
    if worker is None or "TEROK_ROOT" not in os.environ:
        return
    shared, runtime = Path(os.environ["TEROK_ROOT"]), Path(os.environ["TEROK_SANDBOX_RUNTIME_DIR"])
    root = shared / worker
    root.mkdir(mode=0o700, exist_ok=True)
    lines = Path(os.environ["CONTAINERS_CONF"]).read_text().splitlines(keepends=True)
    (root / "containers.conf").write_text("".join(line for line in lines if "hooks_dir" not in line))
    os.environ |= {
        "TEROK_ROOT": str(root),
        "TEROK_SANDBOX_RUNTIME_DIR": str(runtime.with_name(worker)),
        "TEROK_EXECUTOR_STATE_DIR": str(shared / "state/executor"),  # with the lock of the images
        "CONTAINERS_CONF": str(root / "containers.conf"),
    }


def pytest_sessionstart(session: pytest.Session) -> None:
    """Remove the remains of an interrupted run and build the images, before any worker starts.

    A run of chosen tests (`-k`, or files by name) builds what they need when they need it.
    """
    if "PYTEST_XDIST_WORKER" in os.environ or "CONTAINERS_STORAGE_CONF" not in os.environ:
        return
    clear = ["podman", "rm", "-af", "-t", "0"]
    if subprocess.run(clear, check=False, capture_output=True, timeout=120).returncode:
        subprocess.run(["terok-sandbox", "doctor", "--fix"], check=False, timeout=240)
        subprocess.run(clear, check=True, capture_output=True, timeout=120)
    root = Path(os.environ["TEROK_ROOT"])
    for config in (root / "config", *root.glob("gw*/config")):
        shutil.rmtree(config, ignore_errors=True)
        for database in config.parent.glob("state/terok.db*"):  # of another version, or of tests that were cut off
            database.unlink()
    if not session.config.option.keyword and session.config.args == ["tests-integration"]:
        for agents in (["demo"], []):  # [] are all
            subprocess.run(["terok-executor", "build", *agents, "--base", BASE], check=True, timeout=1800)


class ByFile(LoadScopeScheduling):
    """Keeps the tests of a file, which share containers, in one worker, and those of the laboratory too."""

    def _split_scope(self, nodeid: str) -> str:
        place = nodeid.partition("::")[0].removeprefix("tests-integration/").partition("/")[0]
        return "laboratory" if place in LABORATORY else "builds" if place in BUILDS else place


def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> ByFile:
    """Let pytest-xdist distribute tests by `ByFile`."""
    return ByFile(config, log)


@pytest.fixture(scope="session")
def sh(tmp_path_factory: pytest.TempPathFactory) -> Shell:
    """Run a command in the private environment."""
    assert "TEROK_ROOT" in os.environ, "run these tests through tools/test --integration"
    assert os.geteuid() != 0, "rootless Podman is what is tested"
    return Shell(dict(os.environ), tmp_path_factory.mktemp("cwd"))


@pytest.fixture(scope="session")
def ready(sh: Shell) -> Iterator[Shell]:
    """Give a machine after `terok-executor setup`; check that no container of the tests runs afterwards."""
    sh("terok-executor", "setup", timeout=180)
    yield sh
    left = sh("podman", "ps", "-a", "--format", "{{.Names}}", "--filter", "name=^it-").out.split()
    sidecars = Path(sh.environment["TEROK_ROOT"]) / "state/sandbox/sidecar"
    left = [name for name in left if (sidecars / f"{name}.json").exists()]  # another worker may still run
    if left:
        sh("podman", "rm", "-f", "-t", "0", *left)
    sh("terok-sandbox", "supervisor", "stop", code=None)
    assert not left, f"containers left behind: {left}"


@pytest.fixture(scope="session")
def base_image(ready: Shell) -> str:
    """Return the local image that the sandbox's own tests start: the distribution alone."""
    ready("terok-executor", "build", "demo", "--base", BASE, timeout=1200)
    return "localhost/terok-base:trixie"


@pytest.fixture(scope="session")
def real_key(ready: Shell) -> str:
    """Store an invented key for the demo and Anthropic providers in the vault; no container may ever show it."""
    key = "real-" + secrets.token_urlsafe(36)
    for provider in ("demo", "anthropic"):
        ready("terok-executor", "auth", provider, stdin=key + "\n")
    return key


@pytest.fixture
def upstream(ready: Shell) -> Callable[[str, str], None]:
    """Point a provider at another upstream as a user does, with a file in the configuration directory."""
    providers = Path(ready.environment["TEROK_ROOT"]) / "config/providers"
    providers.mkdir(parents=True, exist_ok=True)

    def point(provider: str, url: str) -> None:
        (providers / f"{provider}.yaml").write_text(f"upstream: {url}\n")

    return point


@pytest.fixture
def stub(ready: Shell, base_image: str, real_key: str, upstream: Callable[[str, str], None]) -> Iterator[StubProvider]:
    """Give the demo agent a provider that plays one commit, and leaves something that is not committed."""
    with running_stub(Script((COMMIT, LEFT)), api_key=real_key) as provider:
        upstream("demo", provider.url)
        yield provider


@pytest.fixture
def project(ready: Shell, repository: Path) -> Iterator[str]:
    """Make a project of the repository, and remove its tasks' containers afterwards."""
    name = make_project(ready, repository)
    yield name
    remove_containers(ready, name)


@pytest.fixture
def terminal(ready: Shell) -> Iterator[Callable[..., Terminal]]:
    """Open commands on terminals that end with the test."""
    opened: list[Terminal] = []

    def start(*argv: str) -> Terminal:
        opened.append(Terminal(ready, *argv))
        return opened[-1]

    yield start
    for one in opened:
        one.end()


@pytest.fixture
def name() -> str:
    """Return a container name of its own for the test."""
    return f"it-{secrets.token_hex(4)}"


@pytest.fixture
def container(ready: Shell, name: str) -> Iterator[str]:
    """Give a container name, and remove its container afterwards."""
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
