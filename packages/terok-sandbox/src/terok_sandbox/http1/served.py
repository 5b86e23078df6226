"""Connections of clients: each is served by one task, which ends with it."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any, Final

from terok_util.door import Seat

from terok_sandbox.http1.stream import Deadlines, Stream

CLOSE_SECONDS: Final = 60.0
"""How long a client may take to read the end of the last answer."""


class Client(Stream):
    """One client connection. A client that goes away stops what is done for it."""

    is_request = True

    def __init__(self, deadlines: Deadlines, seat: Seat) -> None:
        super().__init__(deadlines)
        self._seat = seat

    def connection_lost(self, exc: BaseException | None) -> None:
        """Stop serving."""
        super().connection_lost(exc)
        if self._seat.task is not None:
            self.abandon(self._seat.task)

    def abandon(self, task: asyncio.Task[None]) -> None:
        """End the task that serves a client which has gone."""
        task.cancel()

    async def read_head(self, idle: float, complete: float) -> bytes | None:
        """Return the next head; until it is complete, a newcomer may get the seat."""
        self._seat.release()
        head = await super().read_head(idle, complete)
        self._seat.occupy()
        return head

    async def serve(self, connection: socket.socket, handler: Callable[[Any], Awaitable[None]], **words: Any) -> None:
        """Serve `connection`, for which `words` are those of `connect_accepted_socket`, until it ends."""
        try:
            await self.deadlines.loop.connect_accepted_socket(lambda: self, connection, **words)
            await handler(self)
        except BaseException:
            self.reset()  # an answer that was begun must not look complete
            raise
        try:
            self._seat.release()
            await asyncio.sleep(CLOSE_SECONDS)  # the end of the connection cuts it short
        finally:
            self.abort()
