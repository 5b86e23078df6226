"""Entry point of the broker process: serves the vault proxy on the listeners it was given until told to stop."""

from __future__ import annotations

import asyncio
import gc
import logging
import signal
import socket
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from typing import Any, Final

from terok_util.door import Door, Seat

from terok_sandbox.http1.served import Client
from terok_sandbox.http1.stream import LARGEST_READ, Deadlines, Stream
from terok_sandbox.netns.worker_context import WorkerContext
from terok_sandbox.sidecar import VaultWiring
from terok_sandbox.values.facts import Fact
from terok_sandbox.values.posture import LIVE_FILE
from terok_sandbox.vault.access import Quarantine, VaultAccess
from terok_sandbox.vault.authority import server_context
from terok_sandbox.vault.oauth import FreshCredentials
from terok_sandbox.vault.proxy import VaultProxy
from terok_sandbox.vault.ssh.agent import ContainerAgent
from terok_sandbox.vault.usage.meter import UsageMeter

MAX_CONNECTIONS: Final = 448
MAX_TLS: Final = 128
"""Connections of the https listener: each takes a third of a MiB from its handshake on."""
HANDSHAKE_SECONDS: Final = 10.0
HEAR_SECONDS: Final = 5.0
"""How long an answer is heard out whose client has left."""


class VaultClient(Client):
    """A client of the vault: the answer of a model is heard out for a few seconds without it.

    Most end by then, and say what they cost. Nothing else is fetched for nobody.
    """

    def abandon(self, task: asyncio.Task[None]) -> None:
        """Stop serving, soon."""
        if self.on_leave is not None and self.on_leave():
            self.left = True
            self.deadlines.loop.call_later(HEAR_SECONDS, task.cancel)
        else:
            task.cancel()


class Server:
    """Serves `handler` on any number of listening sockets. Create it inside the event loop that serves them."""

    def __init__(self, handler: Callable[[Stream], Awaitable[None]], deadlines: Deadlines) -> None:
        self._deadlines = deadlines
        self._handler = handler
        self._plain = Door("vault", MAX_CONNECTIONS)
        self._tls = Door("vault over https", MAX_TLS)

    def listen(self, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Serve the connections of `listener`, which stays the caller's."""
        words = {} if tls is None else {"ssl": tls, "ssl_handshake_timeout": HANDSHAKE_SECONDS}
        door = self._plain if tls is None else self._tls

        async def enter(connection: socket.socket, seat: Seat) -> None:
            await VaultClient(self._deadlines, seat).serve(connection, self._handler, **words)

        door.open(listener, enter)

    async def shutdown(self, seconds: float) -> None:
        """Take no more connections, give running exchanges some time, then cut them."""
        await asyncio.gather(self._plain.close_connections(seconds), self._tls.close_connections(seconds))


_log = logging.getLogger(__name__)

LISTENERS: Final = ("vault", "vault-unix", "vault-tls", "vault-host")
DRAIN_SECONDS: Final = 2.0
KEPT_BYTES: Final = 4 * LARGEST_READ


Beside = Callable[[UsageMeter | None], Coroutine[Any, Any, None]]
"""Serves people beside the proxy, as long as that is served."""


def serve(ctx: WorkerContext, tell: Callable[[Fact], None], beside: Beside) -> int:
    """Serve until SIGTERM or SIGINT, and `tell` what is seen.

    A locked vault or missing routes are answered with 503 until the cause is gone.
    """
    wiring = ctx.sidecar.vault
    if wiring is None:
        _log.info("no vault is wired to this container")
    posture = ctx.sidecar.gateway_dir / LIVE_FILE
    asyncio.run(_serve(wiring, ctx.sidecar.container_name, ctx.listeners, Quarantine(posture), tell, beside))
    return 0


async def _serve(
    wiring: VaultWiring | None,
    container: str,
    listeners: Mapping[str, socket.socket],
    quarantine: Quarantine,
    tell: Callable[[Fact], None],
    beside: Beside,
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
    deadlines = Deadlines(closed=lambda: quarantine.refusal() is not None)
    access = VaultAccess(wiring, quarantine)
    meter = None if wiring.usage is None else UsageMeter(wiring.usage, container, tell=tell)
    proxy = VaultProxy(
        access,
        deadlines,
        container=container,
        audit_path=wiring.audit_path,
        meter=meter,
        credentials=FreshCredentials(access, wiring, container),
    )
    server = Server(proxy.serve, deadlines)
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
    telling = asyncio.create_task(beside(meter))
    telling.add_done_callback(lambda _: stop.set())  # without a feed the next broker is better than this one
    try:
        await stop.wait()
    finally:
        telling.cancel()
        if agent is not None:
            agent.close()
        await server.shutdown(DRAIN_SECONDS)
        await proxy.close()
        if meter is not None:
            meter.close()
        deadlines.stop()
