"""The socket of the controller: questions, and the change feed for those who follow it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from terok_util.door import Door, streams

from terok.errors import ControllerError
from terok.wire.protocol import MAX_REQUEST, decode, encode, peer_uid

if TYPE_CHECKING:
    import socket

    from terok_util.door import Seat

    from terok.store import Store

CONNECTIONS: Final = 64
AT_A_TIME: Final = 500
"""Events read from the database at once."""

Answer = Callable[[], dict[str, Any]]


class Server:
    """Serves front ends; `answers` are the kinds of requests that the controller answers itself.

    Who follows has a place in the feed and is sent what comes behind it as fast as it reads: nobody misses an event,
    and a slow reader costs no memory.
    """

    def __init__(self, store: Store, answers: dict[str, Answer]) -> None:
        self._store = store
        self._answers = answers
        self._followers: set[asyncio.Event] = set()
        self._door = Door("controller", CONNECTIONS)

    @property
    def followed(self) -> bool:
        """Whether anybody follows."""
        return bool(self._followers)

    def open(self, listener: socket.socket) -> None:
        """Serve the connections of a listener."""
        self._door.open(listener, self._enter)

    def tell(self) -> None:
        """Send those who follow what is new."""
        for follower in self._followers:
            follower.set()

    async def close(self) -> None:
        """Hang up on everybody."""
        await self._door.close_connections()

    async def _enter(self, connection: socket.socket, seat: Seat) -> None:
        if peer_uid(connection) != os.geteuid():
            return
        async with streams(connection, MAX_REQUEST) as (reader, writer):
            with suppress(ValueError, ConnectionError):  # a line that is too long
                while line := await reader.readline():
                    seat.occupy()
                    try:
                        kind, fields = decode(line)
                        if kind == "subscribe":
                            await self._follow(reader, writer, fields.get("after"))
                            return
                        writer.write(encode("ok", **self._answer(kind)))
                    except ControllerError as error:
                        writer.write(encode("error", message=error.message))
                    await writer.drain()
                    seat.release()

    def _answer(self, kind: str) -> dict[str, Any]:
        if kind not in self._answers:
            raise ControllerError(f"unknown request {kind[:40]!r}")
        return self._answers[kind]()

    async def _follow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, after: Any) -> None:
        """Send a snapshot, unless `after` is the number of an event that is kept, and then events."""
        if type(after) is int and after >= self._store.first_seq() - 1:
            seq, answer = after, dict[str, Any](seq=after)
        else:
            snapshot = self._store.snapshot()
            seq, answer = snapshot.seq, {"seq": snapshot.seq, "tasks": [task._asdict() for task in snapshot.tasks]}
        news = asyncio.Event()
        self._followers.add(news)
        gone = asyncio.create_task(reader.read())
        gone.add_done_callback(lambda _: news.set())
        try:
            writer.write(encode("ok", **answer))
            while not gone.done():
                news.clear()
                events = self._store.events_after(seq, AT_A_TIME)
                for event in events:
                    seq = event.seq
                    writer.write(encode("event", **event._asdict()))
                await writer.drain()
                if len(events) < AT_A_TIME:
                    await news.wait()
        finally:
            self._followers.discard(news)
            gone.cancel()
            with suppress(asyncio.CancelledError, ConnectionError):
                await gone
