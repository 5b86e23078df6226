from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from terok_sandbox.config import SandboxConfig
from terok_sandbox.netns.enter import enter
from terok_sandbox.sidecar import GateWiring, PolicyTiers, ShieldWiring, Sidecar, VaultWiring
from terok_sandbox.supervise import client, hook

HERE = Path(__file__).parent


class Lab:
    """A fork server with dummy workers, and network namespaces that stand for containers."""

    def __init__(self, base: Path) -> None:
        self.cfg = SandboxConfig(
            state_dir=base / "state",
            runtime_dir=base / "run",
            config_dir=base / "config",
            vault_dir=base / "vault",
        )
        self.server: subprocess.Popen[bytes] | None = None
        self.processes: list[subprocess.Popen[bytes]] = []
        self.names: list[str] = []

    def serve(self, **settings: Any) -> None:
        argv = [sys.executable, str(HERE / "dummy_workers.py"), str(self.cfg.runtime_dir), json.dumps(settings)]
        self.server = subprocess.Popen(argv)
        wait_for(lambda: client._answers(self.cfg.forkserver_socket))

    def wire(self, name: str = "box", *, vault: bool = True) -> Path:
        self.cfg.ensure_container_dirs(name)
        self.cfg.sidecar_dir.mkdir(parents=True, exist_ok=True)
        state = self.cfg.container_state_dir(name)
        path = self.cfg.sidecar_path(name)
        Sidecar(
            schema=1,
            version=hook.BUILD,
            container_name=name,
            scope="lab",
            runtime_dir=self.cfg.container_runtime_dir(name),
            state_dir=state,
            vault=VaultWiring(state / "db", state / "routes", state / "audit") if vault else None,
            gate=GateWiring(state / "mirror", "lab", "0" * 64),
            shield=ShieldWiring("filter", state / "shield", PolicyTiers()),
        ).save(path)
        self.names.append(name)
        return path

    def container(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(["unshare", "-Urn", "sleep", "300"])
        self.processes.append(process)
        mine = os.stat("/proc/self/ns/net").st_ino
        wait_for(lambda: os.stat(f"/proc/{process.pid}/ns/net").st_ino != mine)
        return process

    def run_hook(
        self, path: Path, pid: int, *, container_id: str = "c0ffee", script: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        state = {"ociVersion": "1.0.2", "id": container_id, "pid": pid, "annotations": {hook.ANNOTATION: str(path)}}
        return subprocess.run(
            ["/usr/bin/python3", "-I", "-S", str(script or hook.__file__)],
            input=json.dumps(state),
            capture_output=True,
            text=True,
            timeout=30,
        )

    def status(self, name: str = "box") -> dict[str, Any]:
        return client.status(self.cfg, name)

    def await_status(self, ready: Callable[[dict[str, Any]], bool], name: str = "box") -> dict[str, Any]:
        found: dict[str, Any] = {}

        def look() -> bool:
            with suppress(client.NotRunningError):
                found.update(client.status(self.cfg, name))
                return ready(found)
            return False

        wait_for(look)
        return found

    def log(self, name: str = "box") -> str:
        return (self.cfg.container_state_dir(name) / "supervisor.log").read_text()

    @staticmethod
    def connect_inside(pid: int, port: int) -> socket.socket:
        """Connect to 127.0.0.1:*port* inside the namespace of *pid* and bring the connection out."""
        here, there = socket.socketpair()
        with here, there:
            child = os.fork()
            if child == 0:
                try:
                    enter(os.open(f"/proc/{pid}/ns/net", os.O_RDONLY))
                    made = socket.create_connection(("127.0.0.1", port), timeout=5)
                    socket.send_fds(there, [b"y"], [made.fileno()])
                finally:
                    os._exit(0)
            there.close()
            os.waitpid(child, 0)
            _, descriptors, _, _ = socket.recv_fds(here, 1, 1)
        if not descriptors:
            raise ConnectionRefusedError(port)
        return socket.socket(fileno=descriptors[0])

    @classmethod
    def ask(cls, pid: int, port: int, line: str) -> dict[str, Any]:
        """Send one line to a dummy worker and return its answer."""
        with cls.connect_inside(pid, port) as connection:
            connection.settimeout(10)
            connection.sendall(line.encode() + b"\n")
            with connection.makefile() as answer:
                return dict(json.loads(answer.readline() or "{}"))

    @staticmethod
    def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
        wait_for(condition, seconds)

    def close(self) -> None:
        for name in self.names:
            with suppress(Exception):
                client.stop_supervisor(self.cfg, name)
        for process in self.processes:
            process.kill()
            process.wait()
        if self.server is not None:
            self.server.terminate()
            self.server.wait(10)


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.close()


def wait_for(condition: Callable[[], bool], seconds: float = 10) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
