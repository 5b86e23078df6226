"""A container engine whose one container is this host: the real wrapper runs programs of a test."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from terok_acp.errors import AgentBindError
from terok_sandbox import EngineError, ExecResult

BAD_ENDS = {"engine": EngineError, "left": AgentBindError, "nonsense": AgentBindError}


class LocalContainer:
    """Both the engine and its container."""

    running_ = True

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._wrapper = directory / "terok-adapter"
        self._installed: list[dict[str, Any]] = []
        self.clients: list[int] = []
        self.problem = ""
        self.moved = ("", "")
        self.labels = {"ai.terok.agents": "one,two", "ai.terok.content": "c1"}
        self.env = {"TEROK_AGENT": "one", "TEROK_PROVIDER": "anthropic"}
        self.id = "f00"
        self.running = True
        text = (files("terok_executor") / "resources" / "image" / "terok-adapter.py").read_text()
        for old, new in (
            ("/etc/terok/", f"{directory}/"),
            ("/home/dev/", f"{directory}/home/"),
            ("/tmp/terok-empty", f"{directory}/empty"),
            ("GRACE = 2.0", "GRACE = 0.2"),
        ):
            text = text.replace(old, new)
        self._wrapper.write_text(text)

    def program(self, agent: str, script: str, stop_signal: str = "eof") -> None:
        """Install an agent's program: a script of the shell."""
        self._installed = [entry for entry in self._installed if entry["name"] != agent]
        acp = {"command": ["sh", "-c", script], "env": {}, "stop_signal": stop_signal}
        self._installed.append({"name": agent, "version": "1", "acp": acp})
        (self._directory / "installed.json").write_text(json.dumps(self._installed))

    def adapters(self) -> list[str]:
        """Return the agents whose adapters run."""
        rows = json.loads(self.exec("box", ("terok-adapter", "list")).stdout)
        return [row["name"] for row in rows for _ in range(row["running"])]

    def container(self, name: str) -> LocalContainer:
        return self

    def exec(self, container: str, command: Sequence[str], *, timeout: float = 30.0) -> ExecResult:
        if self.problem == "engine":
            raise EngineError("podman is away")
        if self.problem:
            return ExecResult(1, '{"left": [7]}' if self.problem == "left" else "no such program", "")
        done = subprocess.run(self._argv(command), capture_output=True, text=True, timeout=timeout, env=self._env())
        return ExecResult(done.returncode, done.stdout, done.stderr)

    def exec_stdio(
        self,
        container: str,
        command: Sequence[str],
        *,
        stdin: int,
        stdout: int,
        stderr: int,
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> int:
        if command[1] == "equip":
            stdin = self._moved_equipment(stdin)
        child = subprocess.Popen(self._argv(command), stdin=stdin, stdout=stdout, stderr=stderr, env=self._env())
        self.clients.append(child.pid)
        return child.wait(timeout)

    def _moved_equipment(self, stdin: int) -> int:
        """Return what is given to the container with paths that this host has."""
        text = os.pread(stdin, 1 << 20, 0).decode().replace(*self.moved)
        moved = os.memfd_create("moved")
        os.pwrite(moved, text.encode(), 0)
        return moved

    def _argv(self, command: Sequence[str]) -> list[str]:
        assert command[0] == "terok-adapter"
        return [sys.executable, "-IS", str(self._wrapper), *command[1:]]

    def _env(self) -> dict[str, str]:
        return {"PATH": os.environ["PATH"], **self.env}
