"""A fork server with dummy workers: what the tests beside this file and those with a real Podman share."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from terok_sandbox import unix_sockets
from terok_sandbox.config import SandboxConfig
from terok_sandbox.sidecar import GateWiring, PolicyTiers, ShieldWiring, Sidecar, VaultWiring
from terok_sandbox.supervise import client, hook
from terok_sandbox.values.launch import Network

DUMMY = Path(__file__).with_name("dummy_workers.py")


class Supervised:
    """Directories of their own, a fork server in them, and sidecars."""

    def __init__(self, base: Path) -> None:
        self.cfg = SandboxConfig(
            state_dir=base / "state", runtime_dir=base / "run", config_dir=base / "config", vault_dir=base / "vault"
        )
        self.server: subprocess.Popen[bytes] | None = None
        self.names: list[str] = []

    def serve(self, **settings: Any) -> None:
        argv = [sys.executable, str(DUMMY), str(self.cfg.runtime_dir), json.dumps(settings)]
        self.server = subprocess.Popen(argv)
        wait_for(lambda: unix_sockets.answers(self.cfg.forkserver_socket))

    def wire(self, name: str = "box", *, vault: bool = True, network: Network | None = None) -> Path:
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
            shield=ShieldWiring("filter", state / "gateway/shield", PolicyTiers()),
            network=network,
        ).save(path)
        self.names.append(name)
        return path

    def await_status(self, ready: Callable[[dict[str, Any]], bool], name: str = "box") -> dict[str, Any]:
        found: dict[str, Any] = {}

        def look() -> bool:
            with suppress(client.NotRunningError):
                found.update(client.status(self.cfg, name))
                return ready(found)
            return False

        wait_for(look)
        return found

    def close(self) -> None:
        for name in self.names:
            with suppress(Exception):
                client.stop_supervisor(self.cfg, name)
        if self.server is not None:
            self.server.terminate()
            self.server.wait(10)


def wait_for(condition: Callable[[], bool], seconds: float = 15) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.01)
