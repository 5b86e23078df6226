"""Accept connections of listening sockets, and limit their number before anything is allocated for them.

asyncio's own server makes a transport, and for TLS a quarter of a MiB of buffers, for every connection in the kernel's
queue before a limit can be checked. A `Door` accepts a few per turn of the event loop, for a fixed number of seats.
When all are taken, a new connection gets the seat of the one idle longest, so that a silent crowd keeps nobody out.
"""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from typing import Final

from terok_util.streams import send_at_once

Enter = Callable[[socket.socket, "Seat"], Awaitable[None]]
"""Serves one connection until it has ended; when cancelled, it cuts the connection."""

_log = logging.getLogger(__name__)

_TURN: Final = 16
"""Connections accepted before the event loop goes on with those it has."""
_PAUSE: Final = 0.2
"""Seconds without accepting after the process ran out of descriptors; the queue would wake it in a loop."""
_QUIET: Final = 60.0
"""Seconds without a crowd after which the next one is worth a line in the log again."""

_FAREWELL: Final = 10.0
"""Seconds a peer may take to read the end of what was written to it."""


class Seat:
    """The place of one connection. It begins as a released one, which a new connection may get."""

    __slots__ = ("_door", "connection", "task")

    def __init__(self, door: Door, connection: socket.socket) -> None:
        self._door = door
        self.connection: socket.socket | None = connection
        """The socket, until it is served."""
        self.task: asyncio.Task[None] | None = None

    def release(self) -> None:
        """Mark the connection as idle: the peer has asked for nothing, or everything is answered."""
        self._door.idle[self] = None

    def occupy(self) -> None:
        """Mark the connection as busy: nobody else gets its seat."""
        self._door.idle.pop(self, None)


class Door:
    """Seats for at most `limit` connections of any number of listeners; `name` is what the log calls them."""

    def __init__(self, name: str, limit: int) -> None:
        self.idle: dict[Seat, None] = {}
        """The released seats, the one that was released first in front."""
        self._name = name
        self._limit = limit
        self._loop = asyncio.get_running_loop()
        self._listeners: list[socket.socket] = []
        self._seats: set[Seat] = set()
        self._quiet_until = 0.0

    def open(self, listener: socket.socket, enter: Enter) -> None:
        """Accept connections of `listener`, which stays the caller's, until the door is closed."""
        listener.setblocking(False)
        self._listeners.append(listener)
        self._loop.add_reader(listener, self._accept, listener, enter)

    async def serve(self, listener: socket.socket, enter: Enter) -> None:
        """Accept connections of `listener` until cancelled."""
        self.open(listener, enter)
        try:
            await self._loop.create_future()
        finally:
            await self.close_connections()

    def close(self) -> None:
        """Accept no further connection."""
        for listener in self._listeners:
            self._loop.remove_reader(listener)
        self._listeners.clear()

    async def close_connections(self, seconds: float = 0.0) -> None:
        """Close the door, give the connections some time, then cut them."""
        self.close()
        tasks = [seat.task for seat in self._seats if seat.task is not None]
        if tasks and seconds:
            await asyncio.wait(tasks, timeout=seconds)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def _accept(self, listener: socket.socket, enter: Enter) -> None:
        for _ in range(_TURN):
            try:
                connection, _ = listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except ConnectionError:  # gone before it was taken
                continue
            except OSError as error:
                self._warn(f"no connection can be taken: {error.strerror}")
                self._loop.remove_reader(listener)
                self._loop.call_later(_PAUSE, self._resume, listener, enter)
                return
            self._admit(connection, enter)

    def _resume(self, listener: socket.socket, enter: Enter) -> None:
        if listener in self._listeners:
            self._loop.add_reader(listener, self._accept, listener, enter)

    def _admit(self, connection: socket.socket, enter: Enter) -> None:
        if len(self._seats) >= self._limit:
            self._warn(f"more than {self._limit} connections: idle ones are closed")
            if not self.idle:
                connection.close()
                return
            self._give_up(next(iter(self.idle)))
        connection.setblocking(False)
        send_at_once(connection)
        seat = Seat(self, connection)
        seat.release()
        self._seats.add(seat)
        seat.task = self._loop.create_task(_serve(seat, enter))
        seat.task.add_done_callback(lambda task: self._forget(seat, task))

    def _give_up(self, seat: Seat) -> None:
        """Free the seat at once; its connection ends a turn later."""
        seat.occupy()
        self._seats.discard(seat)
        if seat.task is not None:
            seat.task.cancel()

    def _forget(self, seat: Seat, task: asyncio.Task[None]) -> None:
        # Breaks a reference cycle, which would keep the connection's buffers until garbage is collected.
        seat.task = None
        seat.occupy()
        self._seats.discard(seat)
        if seat.connection is not None:
            seat.connection.close()
        error = None if task.cancelled() else task.exception()
        if error is not None and not isinstance(error, OSError | EOFError):
            self._loop.call_exception_handler({"message": f"{self._name}: a connection failed", "exception": error})

    def _warn(self, problem: str) -> None:
        now = self._loop.time()
        if now >= self._quiet_until:
            _log.warning("%s: %s", self._name, problem)
        self._quiet_until = now + _QUIET


@asynccontextmanager
async def streams(
    connection: socket.socket, limit: int = 64 * 1024
) -> AsyncIterator[tuple[asyncio.StreamReader, asyncio.StreamWriter]]:
    """Read and write a connection that a door has let in.

    After the block the peer may take a moment to read what was written; a block that fails or is cancelled cuts it off.
    """
    reader, writer = await asyncio.open_connection(sock=connection, limit=limit)
    try:
        yield reader, writer
        writer.close()
        with suppress(OSError):
            async with asyncio.timeout(_FAREWELL):
                await writer.wait_closed()
    finally:
        writer.transport.abort()


class Protocols:
    """Serve connections with the protocols that `make` returns; whoever handles a request marks it as `occupied`."""

    def __init__(self, make: Callable[[], asyncio.Protocol]) -> None:
        self._make = make
        self._seats: dict[asyncio.Protocol, Seat] = {}

    async def enter(self, connection: socket.socket, seat: Seat) -> None:
        """Serve one connection until it ends."""
        loop, protocol = asyncio.get_running_loop(), self._make()
        ended: asyncio.Future[None] = loop.create_future()
        self._seats[protocol] = seat
        try:
            transport, _ = await loop.connect_accepted_socket(lambda: _Observed(protocol, ended), connection)
            try:
                await ended
            finally:
                transport.abort()
        finally:
            del self._seats[protocol]

    @contextmanager
    def occupied(self, protocol: asyncio.Protocol) -> Iterator[None]:
        """Occupy the seat of `protocol`'s connection during the block."""
        seat = self._seats.get(protocol)
        if seat is not None:
            seat.occupy()
        try:
            yield
        finally:
            if seat is not None and protocol in self._seats:
                seat.release()


class _Observed(asyncio.Protocol):
    """Pass everything on to another protocol, and set `ended` when its connection is lost."""

    def __init__(self, protocol: asyncio.Protocol, ended: asyncio.Future[None]) -> None:
        self._ended = ended
        self._lost = protocol.connection_lost
        self.connection_made = protocol.connection_made  # type: ignore[method-assign]
        self.data_received = protocol.data_received  # type: ignore[method-assign]
        self.eof_received = protocol.eof_received  # type: ignore[method-assign]
        self.pause_writing = protocol.pause_writing  # type: ignore[method-assign]
        self.resume_writing = protocol.resume_writing  # type: ignore[method-assign]

    def connection_lost(self, exc: BaseException | None) -> None:
        self._lost(exc)  # type: ignore[arg-type]
        if not self._ended.done():
            self._ended.set_result(None)


async def _serve(seat: Seat, enter: Enter) -> None:
    connection, seat.connection = seat.connection, None
    assert connection is not None
    await enter(connection, seat)
