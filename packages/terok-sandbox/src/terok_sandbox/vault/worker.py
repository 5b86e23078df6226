"""Entry point of the broker process: serves the vault proxy on the listeners it was given until told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
from typing import TYPE_CHECKING, Final

from terok_sandbox.values.posture import LIVE_FILE
from terok_sandbox.vault.access import Quarantine, VaultAccess
from terok_sandbox.vault.authority import server_context
from terok_sandbox.vault.leg import LARGEST_READ, Watch
from terok_sandbox.vault.oauth_credentials import FreshCredentials
from terok_sandbox.vault.proxy import VaultProxy
from terok_sandbox.vault.server import Server
from terok_sandbox.vault.ssh.broker import ContainerAgent
from terok_sandbox.vault.usage.meter import UsageMeter

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping

    from terok_sandbox.netns.worker_context import WorkerContext
    from terok_sandbox.sidecar import VaultWiring

_log = logging.getLogger(__name__)

LISTENERS: Final = ("vault", "vault-unix", "vault-tls", "vault-host")
DRAIN_SECONDS: Final = 2.0
KEPT_BYTES: Final = 4 * LARGEST_READ


def serve(ctx: WorkerContext) -> int:
    """Serve until SIGTERM or SIGINT; return the exit code.

    A locked vault, missing routes or an unreachable database are answered with 503 and a hint, request by request: the
    worker stays, and works as soon as the cause is gone.
    """
    wiring = ctx.sidecar.vault
    if wiring is None:
        _log.info("no vault is wired to this container")
    posture = ctx.sidecar.gateway_dir / LIVE_FILE
    asyncio.run(_serve(wiring, ctx.sidecar.container_name, ctx.listeners, Quarantine(posture)))
    return 0


async def _serve(
    wiring: VaultWiring | None, container: str, listeners: Mapping[str, socket.socket], quarantine: Quarantine
) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    if wiring is None:
        await stop.wait()
        return
    # Requests leave little garbage in cycles: looking for it after every few of them would cost a tenth of the time.
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)
    # A large block freed once makes glibc keep that much: else a stream's pieces are mapped and zeroed anew, each time.
    bytes(KEPT_BYTES)
    watch = Watch(closed=lambda: quarantine.refusal() is not None)
    access = VaultAccess(wiring, quarantine)
    meter = None if wiring.usage is None else UsageMeter(wiring.usage, container)
    proxy = VaultProxy(
        access,
        watch,
        container=container,
        audit_path=wiring.audit_path,
        meter=meter,
        credentials=FreshCredentials(access, wiring, container),
    )
    server = Server(proxy.serve, watch)
    for name in LISTENERS:
        if name not in listeners:
            continue
        try:
            tls = server_context(wiring.audit_path.parent) if name == "vault-tls" else None
        except OSError as error:
            _log.error("no https, its certificate cannot be used; the next start of the container makes one: %s", error)
            continue
        server.listen(listeners[name], tls)
    agent = None
    if wiring.ssh_scope is not None and "ssh-agent" in listeners:
        agent = ContainerAgent(access, wiring.ssh_scope, container, wiring.audit_path)
        agent.start(listeners["ssh-agent"])
    try:
        await stop.wait()
    finally:
        if agent is not None:
            agent.close()
        await server.shutdown(DRAIN_SECONDS)
        await proxy.close()
        if meter is not None:
            meter.close()
        watch.stop()
