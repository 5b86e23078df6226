"""A container with scripted adapters for tests and figures of ACP; run, it is the daemon, or the process of an editor.

acp_box.py serve CONTAINER SOCKET STATE
acp_box.py connect CONTAINER SOCKET STATE
"""

from __future__ import annotations

import json
import secrets
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
IMAGE = "localhost/terok-l0:mmdebstrap-trixie"
AGENTS = ("alpha", "beta", "gamma", "delta")
BACKEND = ROOT / "packages/terok-acp/tests/unit/acp_backend.py"
WRAPPER = ROOT / "packages/terok-executor/src/terok_executor/resources/image/terok-adapter.py"


@dataclass
class Box:
    """One container of the image with four agents, all of them the scripted one."""

    place: Path
    agents: tuple[str, ...] = AGENTS
    image: str = IMAGE
    name: str = field(default_factory=lambda: f"it-acp-{secrets.token_hex(4)}")

    def __post_init__(self) -> None:
        self.socket, self.state = self.place / "acp.sock", self.place / "state"
        podman("run", "-d", "--init", "--name", self.name, "--network", "none", self.image, "sleep", "infinity")
        installed = self.place / "installed.json"
        installed.write_text(json.dumps([self._entry(agent) for agent in self.agents]))
        podman("exec", "-u", "root", self.name, "mkdir", "-p", "/etc/terok", "/workspace")
        podman("exec", "-u", "root", self.name, "chmod", "777", "/workspace")
        podman("cp", str(WRAPPER), f"{self.name}:/usr/local/bin/terok-adapter")
        podman("exec", "-u", "root", self.name, "chmod", "755", "/usr/local/bin/terok-adapter")
        podman("cp", str(BACKEND), f"{self.name}:/usr/local/bin/acp-backend.py")
        podman("cp", str(installed), f"{self.name}:/etc/terok/installed.json")

    def _entry(self, agent: str) -> dict[str, Any]:
        env = {"ACP_BACKEND_NAME": agent}
        command = ["python3", "/usr/local/bin/acp-backend.py"]
        return {"name": agent, "version": "1", "acp": {"command": command, "env": env, "stop_signal": "eof"}}

    def words(self, verb: str) -> list[str]:
        """Return the command of this module for this container."""
        return [sys.executable, __file__, verb, self.name, str(self.socket), str(self.state)]

    def adapters(self) -> list[str]:
        """Return the command lines of adapters that run inside."""
        lines = podman("exec", self.name, "sh", "-c", "cat /proc/[0-9]*/cmdline | tr '\\0' ' '; echo").split("python3 ")
        return [line for line in lines if line.startswith("/usr/local/bin/acp-backend.py")]

    def remove(self) -> None:
        podman("rm", "-f", "-t", "0", self.name)


def podman(*words: str) -> str:
    """Run podman and return what it prints."""
    return subprocess.run(["podman", *words], check=True, capture_output=True, text=True, timeout=120).stdout


def serve(container: str, path: Path, state: Path) -> None:
    """Be the daemon, with the agents of the box instead of the roster's."""
    import time

    from terok_acp.adapters.process import AdapterProcess, end_adapters
    from terok_acp.adapters.spec import AdapterSpec, Quirks
    from terok_acp.conductor.state import Settings
    from terok_acp.daemon.server import serve as run
    from terok_acp.endpoint import listening
    from terok_acp.roster.offer import Offer
    from terok_sandbox import PodmanRuntime

    runtime = PodmanRuntime()
    specs = [AdapterSpec(agent, agent.title(), Quirks(resume_by=("resume", "load"))) for agent in AGENTS]
    offers: dict[str, Offer] = {}

    class Fixed:
        def agents(self) -> list[AdapterSpec]:
            return specs

        def offer(self, agent: str) -> Offer | None:
            return offers.get(agent)

        def learned(self, agent: str, initialize: dict, session: dict) -> None:
            offers[agent] = Offer(agent, agent.title(), initialize, session)

    with listening(path) as listener:
        pid = runtime.container(container).pid
        end_adapters(runtime, container)
        state.mkdir(parents=True, exist_ok=True)
        run(
            Settings(container, "0", first_id=int(time.time() * 1000)),
            listener,
            roster=Fixed(),
            make=lambda agent: AdapterProcess(next(s for s in specs if s.agent == agent), container, runtime),
            state=state,
            container_pid=pid,
        )


def connect(container: str, path: Path, state: Path) -> None:
    """Be the process of an editor, which starts the daemon of the box."""
    from terok_acp.connect.front import Front
    from terok_acp.connect.pump import Pump
    from terok_acp.endpoint import connected

    def start() -> None:
        with state.with_suffix(".log").open("ab") as log:
            words = [sys.executable, __file__, "serve", container, str(path), str(state)]
            subprocess.Popen(words, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)

    Pump(Front("0"), lambda: connected(path), start, lambda: None).run(0, 1)


if __name__ == "__main__":
    {"serve": serve, "connect": connect}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]), Path(sys.argv[4]))
