"""The server of a gateway's control socket: requests of people, and events for those who subscribe.

Shield and clearance each bring their operations. The socket lies in the container's runtime directory, of which the
container sees only `guest/`; peers of another user or in another process namespace are hung up on.
"""

from __future__ import annotations

import asyncio
import os
import socket
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from terok_util import TerokError, ensure_dir
from terok_util.text import safe_text

from terok_sandbox.errors import AuditError, NetnsError, ShieldError
from terok_sandbox.shield.errors import BadMessage
from terok_sandbox.shield.protocol import MAX_LINE, Fields, decode, encode
from terok_sandbox.unix_sockets import listen, peer_uid

MAX_CONNECTIONS: Final = 64
MAX_SUBSCRIBERS: Final = 32  # fewer than connections, so that a person can always close something
MAX_EVENTS: Final = 128
"""Events that wait for a slow subscriber; the oldest is dropped, and the subscriber is told how many were."""
IDLE: Final = 60.0
"""Seconds in which a peer that has not subscribed must send its next request, and every peer must read its reply."""

Operation = Callable[["Connection", Fields], Awaitable[Fields]]
"""Takes a request's fields and returns those of the reply; a `TerokError` becomes an `error` reply."""


class Connection:
    """One client: its requests one after the other, and the events that it has subscribed to."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer
        self._events: deque[bytes] = deque()
        self._lost = 0
        self._ready = asyncio.Event()
        self._sender: asyncio.Task[None] | None = None
        self._unsubscribe: Callable[[Connection], object] | None = None

    def subscribe(self, unsubscribe: Callable[[Connection], object]) -> None:
        """Send events from now on; `unsubscribe` is called when the connection ends."""
        self._unsubscribe = unsubscribe
        self._sender = self._sender or asyncio.create_task(self._send_events())

    def send_event(self, line: bytes) -> None:
        """Queue an event for a subscriber."""
        if len(self._events) >= MAX_EVENTS:
            self._events.popleft()
            self._lost += 1
        self._events.append(line)
        self._ready.set()

    async def serve(self, operations: Mapping[str, Operation]) -> None:
        """Serve until the peer leaves, sends too long a line or stops reading; `NetnsError` and `AuditError` pass."""
        try:
            with suppress(OSError, ValueError, EOFError):  # ValueError: a line beyond the reader's limit
                while (line := await self._read_line()).endswith(b"\n"):
                    self._writer.write(await carry_out(operations, self, line))
                    async with asyncio.timeout(IDLE):
                        await self._writer.drain()
        finally:
            if self._sender is not None:
                self._sender.cancel()
            if self._unsubscribe is not None:
                self._unsubscribe(self)
            self._writer.close()

    async def _read_line(self) -> bytes:
        async with asyncio.timeout(None if self._sender is not None else IDLE):
            return await self._reader.readline()

    async def _send_events(self) -> None:
        with suppress(OSError):
            while True:
                await self._ready.wait()
                self._ready.clear()
                while self._events:
                    if self._lost:
                        self._writer.write(encode("lost", count=self._lost))
                        self._lost = 0
                    self._writer.write(self._events.popleft())
                    await self._writer.drain()


async def carry_out(operations: Mapping[str, Operation], connection: Connection, line: bytes) -> bytes:
    """Carry out one request and return the reply; raises `NetnsError` and `AuditError`: a gateway cannot go on."""
    seq: Fields = {}
    try:
        kind, fields = decode(line)
        if type(fields.get("seq")) is int:
            seq["seq"] = fields.pop("seq")
        if kind == "ping":
            return encode("ok", **seq)
        if (operation := operations.get(kind)) is None:
            raise BadMessage(f"unknown operation {kind!r}", hint=f"use one of {', '.join(operations)}, ping")
        return encode("ok", **seq, **await operation(connection, fields))
    except (NetnsError, AuditError):
        raise
    except TerokError as error:
        texts = {"message": safe_text(error.message, limit=1000), "hint": safe_text(error.hint or "", limit=300)}
        return encode("error", code=type(error).__name__, **texts, **seq)


def listen_control(path: Path) -> socket.socket:
    """Return the control listener at `path`; raises `ShieldError`.

    A gateway listens before it reads its state: whoever finds no listener may write that, and tries once more.
    """
    try:
        ensure_dir(path.parent)
        return listen(path, kind=socket.SOCK_STREAM, backlog=MAX_CONNECTIONS)
    except (OSError, TerokError) as error:
        raise ShieldError(f"{path}: cannot listen: {error}") from error


async def serve_control(path: Path | None, listener: socket.socket, operations: Mapping[str, Operation]) -> None:
    """Serve `listener` until cancelled, then remove `path`; raises `NetnsError` and `AuditError` of an operation.

    A listener without a `path` is somebody else's.
    """
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    tasks: set[asyncio.Task[Any]] = set()

    async def connect(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connection, task = Connection(reader, writer), asyncio.current_task()
        ours = peer_uid(writer.get_extra_info("socket")) == os.geteuid()  # -1 inside of a container
        if task is None or len(tasks) >= MAX_CONNECTIONS or not ours:
            return writer.close()
        tasks.add(task)
        try:
            await connection.serve(operations)
        except asyncio.CancelledError:
            pass
        except (NetnsError, AuditError) as error:
            if not failed.done():
                failed.set_exception(error)
        finally:
            tasks.discard(task)
        return None

    # No `async with`: from Python 3.12 on its end waits for every client to leave.
    server = await asyncio.start_unix_server(connect, sock=listener, limit=MAX_LINE)
    try:
        await failed
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        if path is not None:
            path.unlink(missing_ok=True)  # noqa: ASYNC240 - nothing is served any more
