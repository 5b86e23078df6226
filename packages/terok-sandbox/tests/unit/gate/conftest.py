"""Real repositories and a real gate server for the tests of this room."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from terok_sandbox.gate.git_gate import GitGate
from terok_sandbox.gate.host_server import GateServer
from terok_sandbox.gate.server import GateLimits

TOKEN = "tk-0123456789abcdef"
Serving = Callable[..., AbstractContextManager[str]]


@pytest.fixture(autouse=True)
def nobody_s_vault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Keep promotions from searching for the credentials of whoever runs the tests."""
    monkeypatch.setenv("TEROK_ROOT", str(tmp_path / "no-vault"))
    monkeypatch.setenv("TEROK_SANDBOX_RUNTIME_DIR", str(tmp_path / "no-session"))


@dataclass
class Repo:
    """A repository that somebody else works in, with plain, unguarded git."""

    path: Path
    home: Path

    @property
    def env(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.home),
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_TERMINAL_PROMPT": "0",
            "GIT_AUTHOR_NAME": "A",
            "GIT_AUTHOR_EMAIL": "a@example.org",
            "GIT_COMMITTER_NAME": "C",
            "GIT_COMMITTER_EMAIL": "c@example.org",
            "LC_ALL": "C",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "core.compression",
            "GIT_CONFIG_VALUE_0": "0",
        }

    def try_git(self, *args: str, **kwargs: object) -> subprocess.CompletedProcess[str]:
        streams = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE} | kwargs
        return subprocess.run(["git", "-C", str(self.path), *args], env=self.env, text=True, timeout=60, **streams)

    def git(self, *args: str, **kwargs: object) -> str:
        done = self.try_git(*args, **kwargs)
        assert done.returncode == 0, f"git {args}: {done.stderr}"
        return done.stdout.strip()

    def commit(self, name: str, content: str | bytes = "x\n", message: str = "change") -> str:
        file = self.path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        self.git("add", "--force", name)
        self.git("commit", "-q", "-m", message)
        return self.git("rev-parse", "HEAD")

    def clone(self, url: str | Path, name: str, *options: str) -> Repo:
        target = self.path.parent / name
        self.git("clone", "-q", *options, str(url), str(target))
        return Repo(target, self.home)


@pytest.fixture
def new_repo(tmp_path: Path) -> Callable[..., Repo]:
    def make(name: str = "project", *options: str) -> Repo:
        path = tmp_path / name
        home = tmp_path / "home"
        home.mkdir(exist_ok=True)
        path.mkdir(parents=True)
        repo = Repo(path, home)
        repo.git("init", "-q", "-b", "main", *options)
        return repo

    return make


@pytest.fixture
def upstream(new_repo: Callable[..., Repo]) -> Repo:
    repo = new_repo()
    repo.commit("README", "hello\n", "first")
    repo.commit("README", "hello there\n", "second")
    return repo


@pytest.fixture
def gate(upstream: Repo, tmp_path: Path) -> GitGate:
    gate = GitGate("proj-1", base=tmp_path / "gate", upstream=str(upstream.path))
    assert gate.sync().success
    return gate


@contextmanager
def _serving(mirror: Path, limits: GateLimits | None = None, who: str = "container") -> Iterator[str]:
    """Serve a mirror; yields its URL with the token."""
    with GateServer(mirror, "proj", TOKEN, limits=limits, who=who) as server:
        yield server.url


@pytest.fixture
def serving() -> Serving:
    return _serving


@pytest.fixture
def url(gate: GitGate) -> Iterator[str]:
    with _serving(gate.path) as address:
        yield address


@pytest.fixture
def agent(upstream: Repo, url: str) -> Repo:
    """A clone made through the gate, as a container has it."""
    return upstream.clone(url, "agent")
