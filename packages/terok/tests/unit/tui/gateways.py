"""The gateway of a task's container without the container: its real shield, questions and control socket."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager, suppress

from terok_sandbox import AuditLog, ClearanceHub, PolicyTiers, SandboxConfig, Sidecar
from terok_sandbox.shield.asker import RefusedDestination
from terok_sandbox.shield.control import listen_control, serve_control
from terok_sandbox.shield.live import LivePolicy
from terok_sandbox.shield.live_store import LiveVerdict
from terok_sandbox.shield.operations import ShieldOperations
from terok_sandbox.shield.policy import Policy
from terok_sandbox.shield.resolver import Event
from terok_sandbox.shield.sightings import Sightings
from terok_sandbox.sidecar import ShieldWiring
from terok_sandbox.values.posture import LIVE_FILE

RULES = ("+ docs.example.org", "- bad.example.org")


class Gateway:
    """A gateway in a thread of its own."""

    def __init__(self, container: str, scope: str) -> None:
        config = SandboxConfig.load()
        config.ensure_container_dirs(container)
        self.container = container
        self.audit = config.gateway_dir(container) / "shield-audit.jsonl"
        tiers = PolicyTiers(project_allow=RULES)
        places = (config.container_runtime_dir(container), config.container_state_dir(container))
        sidecar = Sidecar(1, "0", container, scope, *places, None, None, ShieldWiring("filter", self.audit, tiers))
        config.sidecar_dir.mkdir(parents=True, exist_ok=True)
        sidecar.save(config.sidecar_path(container))
        self.live = LivePolicy(Policy.from_tiers(tiers), sidecar.gateway_dir / LIVE_FILE, channel=None)
        log = AuditLog(self.audit, container=container)
        self.hub = ClearanceHub(sidecar, self.live, audit=log)
        self._sightings = Sightings(log, clock=time.monotonic, asker=self.hub)
        self._operations = ShieldOperations(container, self.live, self._sightings, explain=None)
        self._path = config.gateway_socket(container)
        self._loop = asyncio.new_event_loop()
        self._listener = listen_control(self._path)

    def serve(self) -> None:
        operations = {**self._operations.by_name, **self.hub.operations}
        with suppress(asyncio.CancelledError):
            self._loop.run_until_complete(serve_control(self._path, self._listener, operations))
        self._loop.close()

    def end(self) -> None:
        def cancel() -> None:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()

        self._loop.call_soon_threadsafe(cancel)

    def refuse(self, name: str) -> None:
        """Refuse a name, as the resolver does."""
        event = Event("refused", name, "no rule allows it", "default", port=443, proto="tcp")
        self._loop.call_soon_threadsafe(self._sightings.record_event, event)

    def hold(self, name: str) -> Future[LiveVerdict | None]:
        """Refuse a name whose answer can be held until somebody has decided."""
        refused = RefusedDestination(name, "", 443, "tcp", "no rule allows it", "default")
        return asyncio.run_coroutine_threadsafe(self.hub.delay_answer(refused), self._loop)

    @property
    def verdicts(self) -> list[tuple[str, str, str, str]]:
        return [(one.verdict, one.target, one.duration, one.reason) for one in self.live.verdicts]


@contextmanager
def serving(container: str, scope: str = "api") -> Iterator[Gateway]:
    """Give the gateway of a container."""
    gateway = Gateway(container, scope)
    thread = threading.Thread(target=gateway.serve, daemon=True)
    thread.start()
    try:
        yield gateway
    finally:
        gateway.end()
        thread.join(10)
