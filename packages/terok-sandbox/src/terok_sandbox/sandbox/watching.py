"""The host's own knowledge of a running container: its supervisor's word, and Podman's where there is none."""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from terok_sandbox.activity.client import ActivityFeed
from terok_sandbox.activity.state import BROKER, GATEWAY
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import EngineError, EngineTimeout, SandboxError, ShieldError, SupervisorError
from terok_sandbox.runtime.ephemeral import recorded_exit_code
from terok_sandbox.runtime.protocol import ContainerRuntime
from terok_sandbox.shield.control_client import ask
from terok_sandbox.shield.errors import NoAnswer
from terok_sandbox.sidecar import Sidecar
from terok_sandbox.supervise import client
from terok_sandbox.supervise.handover import start_time
from terok_sandbox.values.facts import Fact, Life, Worker
from terok_sandbox.values.host import ContainerState
from terok_sandbox.vault.errors import BudgetError

_SETTLE: Final = 1.0
"""Seconds in which Podman notices that a container has ended, of which its supervisor has let go."""
_ALIVE: Final = frozenset(
    {ContainerState.RUNNING, ContainerState.PAUSED, ContainerState.STOPPING, ContainerState.OTHER}
)


class HostView:
    """Looks at one container from outside."""

    def __init__(self, config: SandboxConfig, runtime: ContainerRuntime, name: str) -> None:
        self._config = config
        self._runtime = runtime
        self._name = name
        self._id = ""

    def sockets(self) -> dict[str, Path]:
        """Return the feeds of the workers that the container has."""
        names = [GATEWAY]
        with suppress(SandboxError):
            if Sidecar.load(self._config.sidecar_path(self._name)).vault is not None:
                names.append(BROKER)
        return {name: self._config.activity_socket(self._name, name) for name in names}

    def feed(self) -> ActivityFeed:
        """Return the feed of the container."""
        return ActivityFeed(self._name, self.sockets(), self.look)

    def ask_budget(self, **decision: Any) -> dict[str, Any]:
        """Return how each limit stands, after `decision` if there is one; raises BudgetError."""
        try:
            return ask(self._config.activity_socket(self._name, BROKER), "budget", **decision)
        except NoAnswer as error:
            hint = "see `terok-sandbox list`; limits of a stopped container are those of its next launch"
            raise BudgetError(f"{self._name}: no vault runs that could be asked about its budget", hint=hint) from error
        except ShieldError as error:
            raise BudgetError(error.message, hint=error.hint) from error

    def look(self) -> list[Fact]:
        """Return whether the container and its workers run."""
        now = time.time()
        try:
            said = client.status(self._config, self._name)
        except SupervisorError:
            said = {}
        if not said.get("prepared"):
            return [self._ask_podman(now)]
        self._id = said["container_id"] or self._id
        pid = said["container_pid"]
        facts: list[Fact] = [Life(at=_started(pid, now), state="running", pid=pid)]
        for name, worker in said["workers"].items():
            facts.append(
                Worker(at=now, name=name, state="up" if worker["pid"] else "down", restarts=worker["restarts"])
            )
        return facts

    def _ask_podman(self, now: float) -> Life:
        try:
            container = self._runtime.container(self._name)
            state = container.state
            if state in _ALIVE:
                try:
                    return Life(at=now, state="ended", exit_code=container.wait(_SETTLE))
                except EngineTimeout:
                    return Life(at=now, state="unsupervised")
            if state is ContainerState.EXITED:
                return Life(at=now, state="ended", exit_code=container.wait(_SETTLE))
            if state is ContainerState.CREATED:
                return Life(at=now, state="created")
        except SandboxError:
            return Life(at=now, state="unknown")
        if not self._id:
            return Life(at=now, state="missing")
        with suppress(EngineError):
            return Life(at=now, state="ended", exit_code=recorded_exit_code(self._id))
        return Life(at=now, state="ended")


def _started(pid: int, now: float) -> float:
    """Return when process `pid` was started, in seconds since the epoch."""
    with suppress(OSError, StopIteration, ValueError):
        lines = Path("/proc/stat").read_text().splitlines()
        boot = next(int(line.split()[1]) for line in lines if line.startswith("btime "))
        return boot + start_time(pid) / os.sysconf("SC_CLK_TCK")
    return now
