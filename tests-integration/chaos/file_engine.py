"""An engine whose containers are files, each changed by one rename: what a kill leaves is before or after a step."""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from terok.engines import Launch, Started
from terok.errors import TaskError
from terok.model.facts import Process, Silence
from terok_executor import Delivery

UP = "up"


@dataclass
class FileEngine:
    """Containers below `place`; `hangs` is a Podman that does not answer. Agents leave a file at every start.

    A container's file says what it is doing, since when, where it works, and every prompt it was given. The file of
    one that is removed stays, under another name, so that what was ever said to an agent is known.
    """

    place: Path
    hangs: bool = False

    def _file(self, container: str) -> Path:
        return self.place / f"{container}.json"

    def read(self, container: str) -> dict[str, Any] | None:
        try:
            found: dict[str, Any] = json.loads(self._file(container).read_text())
        except FileNotFoundError:
            return None
        return found

    def write(self, container: str, found: Mapping[str, Any]) -> None:
        draft = self.place / f".{secrets.token_hex(4)}"
        draft.write_text(json.dumps(found))
        draft.replace(self._file(container))

    def prompts(self) -> list[str]:
        """Return every prompt that any agent was ever given, as often as it was."""
        files = [*self.place.glob("*.json"), *self.place.glob("*.removed")]
        return [prompt for file in files for prompt in json.loads(file.read_text())["prompts"]]

    def left(self, task: str) -> dict[str, str]:
        """Return what agents of a task have left in its workspace: contents by name."""
        found = {}
        for file in self.place.glob(f"*-{task}.left"):
            found |= dict(line.split(" ") for line in file.read_text().splitlines())
        return found

    def work(self, container: str) -> None:
        """Leave a file that git knows nothing of, and then take note of it."""
        found = self.read(container)
        assert found is not None
        name, text = f"untracked-{secrets.token_hex(4)}", secrets.token_hex(8)
        (Path(found["workspace"]) / name).write_text(text)
        with (self.place / f"{container}.left").open("a") as file:
            file.write(f"{name} {text}\n")

    def end(self, container: str, code: int = 0) -> None:
        found = self.read(container)
        if found is not None and found["state"] == UP:
            self.write(container, {**found, "state": code, "ended": time.time()})

    def start(self, launch: Launch) -> Started:
        self._answer()
        assert launch.workspace is not None
        if not launch.request["kept"]:
            (launch.workspace / ".git").mkdir()
        fresh = {"state": UP, "started": time.time(), "workspace": str(launch.workspace), "ended": None}
        self.write(launch.container, {**fresh, "prompts": [launch.request["prompt"]]})
        self.work(launch.container)
        agent, scope = launch.request["agent"], launch.request["project_id"]
        return Started(started=time.time(), agent=agent, provider="demo", scope=scope, branch=f"terok/{scope}")

    def probe(self, containers: Mapping[str, str]) -> Mapping[str, Process | Silence]:
        return {task: self._fact(name) for task, name in containers.items()}

    def _fact(self, container: str) -> Process | Silence:
        now, found = time.time(), None if self.hangs else self.read(container)
        if self.hangs:
            return Silence(now, "podman", "podman does not answer")
        if found is None:
            return Process(now, "podman", "gone")
        if found["state"] == UP:
            return Process(now, "podman", "up", since=found["started"])
        return Process(now, "podman", "exited", found["state"], found["ended"])

    def wait_until_ready(self, container: str, since: float) -> bool:
        return True

    def started_at(self, container: str) -> float | None:
        found = self.read(container)
        return found["started"] if found else None

    def follow(self, container: str, on_line: Callable[[str], None], *, timeout: float) -> int:
        self.end(container)
        return 0

    def stop(self, container: str, timeout: int) -> None:
        self._answer()
        self.end(container, 143)

    def restart(self, container: str, prompt: str | None = None) -> None:
        self._answer()
        found = self.read(container)
        if found is None:
            raise TaskError(f"there is no container {container}")
        prompts = [*found["prompts"], *([prompt] if prompt is not None else [])]
        self.write(container, {**found, "state": UP, "started": time.time(), "prompts": prompts})
        self.work(container)

    def hand_over(self, container: str) -> Delivery:
        self._answer()
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
        target.write_text("said\n")
        return True

    def diff(self, container: str, words: Iterable[str]) -> str:
        return ""

    def login_command(self, container: str, *, agent: bool = False, model: str | None = None) -> list[str]:
        return ["true"]

    def remove(self, container: str, *, force: bool = False) -> None:
        self._answer()
        file = self._file(container)
        if file.exists():
            os.replace(file, file.with_name(f"{container}.{secrets.token_hex(4)}.removed"))

    def _answer(self) -> None:
        if self.hangs:
            raise TaskError("podman does not answer")
