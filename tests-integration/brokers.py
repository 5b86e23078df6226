"""Real brokers without containers: each the broker's own program in a process of its own, on a port of the loopback."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from terok_sandbox.config import SandboxConfig
from terok_sandbox.launch.resources import project_dir
from terok_sandbox.sidecar import PolicyTiers, ShieldWiring, Sidecar, UsageWiring, VaultWiring
from terok_sandbox.values.limits import Budget
from terok_sandbox.vault.connection import generate_passphrase
from terok_sandbox.vault.store import CredentialDB

PROGRAM = """
import socket, sys
from pathlib import Path
from terok_sandbox.broker import serve
from terok_sandbox.netns.worker_context import WorkerContext
from terok_sandbox.sidecar import Sidecar
sidecar = Sidecar.load(Path(sys.argv[1]))
listener = socket.socket(fileno=int(sys.argv[2]))
sys.exit(serve(WorkerContext(sidecar, {"vault": listener}, None, None, 1)))
"""
NO_BUDGET = Budget()
KEY = "sk-the-real-key-of-the-stub-0123456789"


@dataclass(frozen=True)
class Broker:
    """A broker that serves a container of that name, and the token by which the container asks."""

    name: str
    scope: str
    port: int
    token: str
    sidecar: Sidecar


class Vault:
    """A user's vault with the stub as its provider; a plan pays for the credential set `plan`."""

    def __init__(self, config: SandboxConfig, upstream: str) -> None:
        self.config = config
        for directory in (config.state_dir, config.runtime_dir, config.vault_dir):
            directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        passphrase = generate_passphrase()
        self.config.vault_session_file.write_text(passphrase)
        self.config.vault_session_file.chmod(0o600)
        self.config.routes_path.write_text(json.dumps({"stub": {"upstream": upstream, "header": "x-api-key"}}))
        self.database = CredentialDB(self.config.db_path, passphrase, create=True)
        for name in ("default", "plan"):
            self.database.store_credential(name, "stub", {"type": "api_key", "key": KEY})
        self.database.set_billing("plan", "stub", "plan")

    @contextmanager
    def broker(
        self, name: str, scope: str, *, budget: Budget = NO_BUDGET, credential_set: str = "default"
    ) -> Iterator[Broker]:
        """Serve a container until the block ends."""
        directory = self.config.container_state_dir(name)
        directory.mkdir(mode=0o700, parents=True)
        usage = UsageWiring(
            project_dir(self.config.usage_dir, scope) / f"{name}.jsonl", f"launch-{name}", time.time(), None,
            budget.task, budget.project, budget.on_limit, budget.day,
        )  # fmt: skip
        vault = VaultWiring(
            self.config.db_path, self.config.routes_path, directory / "vault-audit.jsonl",
            self.config.vault_session_file, usage,
        )  # fmt: skip
        shield = ShieldWiring("filter", directory / "gateway/shield-audit.jsonl", PolicyTiers())
        sidecar = Sidecar(1, "0", name, scope, self.config.runtime_dir, directory, vault, None, shield)
        path = directory / f"{name}.json"
        sidecar.save(path)
        token = self.database.create_token(name, "stub", credential_set)
        with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
            os.set_inheritable(listener.fileno(), True)
            process = subprocess.Popen(
                [sys.executable, "-c", PROGRAM, str(path), str(listener.fileno())], pass_fds=[listener.fileno()]
            )
            try:
                yield Broker(name, scope, listener.getsockname()[1], token, sidecar)
            finally:
                process.send_signal(signal.SIGTERM)
                process.wait(30)
