"""The listening side: one task per connection, bounds on what a container may hold open."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from terok_util.door import Door

from terok_sandbox.vault.leg import Leg

if TYPE_CHECKING:
    import socket
    import ssl
    from collections.abc import Awaitable, Callable

    from terok_util.door import Seat

    from terok_sandbox.vault.leg import Watch

MAX_CONNECTIONS: Final = 448
MAX_TLS: Final = 128
"""Connections of the https listener: each takes a third of a MiB from its handshake on."""
HANDSHAKE_SECONDS: Final = 10.0
CLOSE_SECONDS: Final = 60.0
"""How long a client may take to read the end of the last answer."""


class Client(Leg):
    """One client connection. A client that goes away stops its request: nothing is fetched for nobody."""

    is_request = True

    def __init__(self, watch: Watch, seat: Seat) -> None:
        super().__init__(watch)
        self._seat = seat

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop serving."""
        super().connection_lost(exc)
        if self._seat.task is not None:
            self._seat.task.cancel()

    async def head(self, idle: float, complete: float) -> bytes | None:
        """Return the next head; until it is complete, a newcomer may get the seat."""
        self._seat.release()
        head = await super().head(idle, complete)
        self._seat.occupy()
        return head


class Server:
    """Serves `handler` on any number of listening sockets. Create it inside the event loop that serves them."""

    def __init__(self, handler: Callable[[Leg], Awaitable[None]], watch: Watch) -> None:
        self._watch = watch
        self._handler = handler
        self._plain = Door("vault", MAX_CONNECTIONS)
        self._tls = Door("vault over https", MAX_TLS)

    def listen(self, listener: socket.socket, tls: ssl.SSLContext | None = None) -> None:
        """Serve the connections of `listener`, which stays the caller's."""
        words = {} if tls is None else {"ssl": tls, "ssl_handshake_timeout": HANDSHAKE_SECONDS}
        door = self._plain if tls is None else self._tls
        door.open(listener, lambda connection, seat: self._serve(connection, seat, words))

    async def shutdown(self, seconds: float) -> None:
        """Take no more connections, give running exchanges some time, then cut them."""
        await asyncio.gather(self._plain.close_connections(seconds), self._tls.close_connections(seconds))

    async def _serve(self, connection: socket.socket, seat: Seat, words: dict[str, Any]) -> None:
        client = Client(self._watch, seat)
        try:
            await self._watch.loop.connect_accepted_socket(lambda: client, connection, **words)
            await self._handler(client)
        except BaseException:
            client.reset()  # an answer that was begun must not look complete
            raise
        try:
            seat.release()
            await asyncio.sleep(CLOSE_SECONDS)  # the end of the connection cuts it short
        finally:
            client.abort()
