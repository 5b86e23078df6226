from __future__ import annotations

import json
import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from supervised import Supervised, wait_for
from terok_sandbox import hygiene
from terok_sandbox.netns.enter import enter
from terok_sandbox.supervise import client, hook


class Lab(Supervised):
    """Network namespaces that stand for containers."""

    def __init__(self, base: Path) -> None:
        super().__init__(base)
        self.processes: list[subprocess.Popen[bytes]] = []

    def container(self) -> subprocess.Popen[bytes]:
        process = subprocess.Popen(["unshare", "-Urn", "sleep", "300"])
        self.processes.append(process)
        mine = os.stat("/proc/self/ns/net").st_ino
        wait_for(lambda: os.stat(f"/proc/{process.pid}/ns/net").st_ino != mine)
        return process

    def bundle(self) -> str:
        bundle = self.cfg.state_dir / "bundle"
        bundle.mkdir(parents=True, exist_ok=True)
        (bundle / "config.json").write_text("{}")
        return str(bundle)

    def run_hook(
        self, path: Path, pid: int, *, container_id: str = "c0ffee", script: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        state = {"ociVersion": "1.0.2", "id": container_id, "pid": pid, "bundle": self.bundle()}
        state["annotations"] = {hook.ANNOTATION: str(path)}
        return subprocess.run(
            ["/usr/bin/python3", "-I", "-S", str(script or hook.__file__)],
            input=json.dumps(state),
            capture_output=True,
            text=True,
            timeout=30,
        )

    def status(self, name: str = "box") -> dict[str, Any]:
        return client.status(self.cfg, name)

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
        super().close()
        for process in self.processes:
            process.kill()
            process.wait()


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    made = Lab(tmp_path)
    yield made
    made.close()


@pytest.fixture(autouse=True)
def _open_to_the_hook() -> None:
    """Let others open this process's namespaces: a test of the vault before may have closed it, as secrets do."""
    hygiene.prctl(4, 1)  # PR_SET_DUMPABLE
