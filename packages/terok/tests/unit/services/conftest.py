"""A person's terok in a directory of the test, and an engine that needs no Podman."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from terok.engines import Command, Launch, Started
from terok.errors import TaskError
from terok.model.facts import Process, Silence
from terok.services import Tasks
from terok_executor import Delivery


@dataclass
class PlainEngine:
    """Containers as files below a directory, so that another process, or the same after a crash, finds them.

    `before` is called with the name of every step; a test raises or ends the process there.
    """

    place: Path
    before: Callable[[str], None] = lambda step: None
    silent: bool = False
    asked: list[tuple[str, str | None]] = field(default_factory=list)
    time_left: float = 0.0

    def _state(self, container: str) -> Path:
        return self.place / container

    def _put(self, container: str, text: str) -> None:
        self._state(container).write_text(text)
        if text == "up":
            self._state(f"{container}.started").write_text(str(time.time()))

    def start(self, launch: Launch) -> Started:
        self.before("start")
        assert launch.workspace is not None
        if not launch.request["kept"]:
            (launch.workspace / ".git").mkdir()
            (launch.workspace / "work").write_bytes(b"\0work")
        self._put(launch.container, "up")
        self.asked.append((launch.container, launch.request["prompt"]))
        return Started(
            started=time.time(),
            agent=launch.request["agent"],
            provider="demo",
            scope=launch.request["project_id"],
            branch=f"terok/{launch.container[-8:]}",
        )

    def probe(self, containers: Mapping[str, str]) -> Mapping[str, Process | Silence]:
        self.before("probe")
        return {task: self._fact(name) for task, name in containers.items()}

    def _fact(self, name: str) -> Process | Silence:
        now = time.time()
        if self.silent:
            return Silence(now, "podman", "podman does not answer")
        try:
            text = self._state(name).read_text()
        except FileNotFoundError:
            return Process(now, "podman", "gone")
        since = self._state(name).stat().st_mtime
        return Process(now, "podman", "up") if text == "up" else Process(now, "podman", "exited", int(text), since)

    def wait_until_ready(self, container: str, since: float) -> bool:
        self.before("wait")
        return True

    def started_at(self, container: str) -> float | None:
        started = self._state(f"{container}.started")
        return float(started.read_text()) if started.exists() else None

    def end(self, container: str, code: int = 0) -> None:
        """Let the agent end."""
        self._put(container, str(code))

    def follow(self, container: str, on_line: Callable[[str], None], *, timeout: float) -> int:
        self.time_left = timeout
        on_line("said")
        self.end(container)
        return 0

    def stop(self, container: str, timeout: int) -> None:
        self.before("stop")
        self.end(container, 143)

    def restart(self, container: str, prompt: str | None = None) -> None:
        self.before("restart")
        self._put(container, "up")
        self.asked.append((container, prompt))

    def hand_over(self, container: str) -> Delivery:
        self.before("hand_over")
        return Delivery("complete")

    def delivery(self, container: str) -> Delivery:
        return Delivery("unknown")

    def send(self, container: str, text: str) -> None:
        raise TaskError("this agent takes no more input")

    def result(self, container: str, *, exit_code: int, duration: float) -> Any:
        return SimpleNamespace(exit_code=exit_code, usage=SimpleNamespace(requests=3, cost_usd=0.25))

    def logs(self, container: str, on_line: Callable[[str], None], *, follow: bool, tail: int | None) -> None:
        on_line("said")

    def save_output(self, container: str, target: Path) -> bool:
        self.before("save_output")
        target.write_text("said\n")
        return True

    def diff(self, container: str, words: Iterable[str]) -> str:
        return ""

    def run_command(self, command: Command, on_line: Callable[[str], None]) -> int | None:
        self.before("run_command")
        on_line(f"$ {command.command} on {command.commit}")
        return 0 if command.command == "true" else None if command.command == "sleep" else 1

    def login_command(self, container: str, *, agent: bool = False, model: str | None = None) -> list[str]:
        return ["true"]

    def remove(self, container: str, *, force: bool = False) -> None:
        self.before("remove")
        self._state(container).unlink(missing_ok=True)


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give a private terok with a project `web`."""
    root = tmp_path / "root"
    (root / "run").mkdir(parents=True, mode=0o700)
    (root / "engine").mkdir()
    monkeypatch.setenv("TEROK_ROOT", str(root))
    monkeypatch.delenv("TEROK_EXECUTOR_STATE_DIR", raising=False)
    monkeypatch.setattr("terok.services.tasks_base.TaskBase.wake_controller", lambda self: None)
    make_project(root, "web")
    return root


def make_project(root: Path, name: str, more: str = "") -> None:
    directory = root / "config/projects" / name
    directory.mkdir(parents=True)
    (directory / "project.yml").write_text(f"git: {{upstream: /nowhere}}\nagent: {{name: demo}}\n{more}")


@pytest.fixture
def engine(root: Path) -> PlainEngine:
    return PlainEngine(root / "engine")


@pytest.fixture
def tasks(root: Path, engine: PlainEngine) -> Iterator[Tasks]:
    with Tasks() as service:
        service._engines["local"] = engine
        yield service
