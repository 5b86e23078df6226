"""The listening side: one coroutine per connection, bounds on what a container may hold open."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from terok_sandbox.vault.wire.leg import Leg

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from terok_sandbox.vault.wire.leg import Watch

_log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 448


class Client(Leg):
    """One client connection. A client that goes away stops its request: nothing is fetched for nobody."""

    is_request = True

    def __init__(self, server: Server) -> None:
        super().__init__(server.watch)
        self._server = server
        self._task: asyncio.Task[None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin to serve, or refuse if there are too many connections."""
        super().connection_made(transport)
        self._task = self._server.begin(self)

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop serving."""
        super().connection_lost(exc)
        if self._task is not None:
            self._task.cancel()


class Server:
    """Serves `handler` on any number of listening sockets. Call it to make the protocol of a connection."""

    def __init__(self, handler: Callable[[Leg], Awaitable[None]], watch: Watch) -> None:
        self.watch = watch
        self._handler = handler
        self._tasks: set[asyncio.Task[None]] = set()
        self._refused = 0

    def __call__(self) -> Client:
        """Make the protocol of a new connection."""
        return Client(self)

    def begin(self, client: Client) -> asyncio.Task[None] | None:
        """Start to serve a connection; abort it if MAX_CONNECTIONS are served."""
        if len(self._tasks) >= MAX_CONNECTIONS:
            if self._refused == 0:
                _log.warning("more than %d connections: refusing further ones", MAX_CONNECTIONS)
            self._refused += 1
            client.abort()
            return None
        task = self.watch.loop.create_task(self._serve(client))
        self._tasks.add(task)
        task.add_done_callback(self._ended)
        return task

    async def shutdown(self, seconds: float) -> None:
        """Give running exchanges some time, then cut them."""
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _serve(self, client: Client) -> None:
        try:
            await self._handler(client)
        except asyncio.CancelledError:
            client.reset()
        except Exception:  # noqa: BLE001 - one connection must not end the others
            _log.exception("serving a connection failed")
            client.reset()

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if len(self._tasks) < MAX_CONNECTIONS // 2:
            self._refused = 0
