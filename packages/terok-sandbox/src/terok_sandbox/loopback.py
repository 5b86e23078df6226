"""Host ports that a container was given: connections to them inside are passed on to this host's loopback.

No route, rule or interface leads there: the gateway listens inside and connects outside, to exactly these ports.
"""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from terok_util.door import Door, streams
from terok_util.streams import send_at_once

from terok_sandbox.vault_addr import LOOPBACK_HOST

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable

    from terok_util.door import Seat

MAX_CONNECTIONS: Final = 64
"""Connections at once to one port; further ones are closed."""
_CHUNK: Final = 64 * 1024


async def serve_loopback(listener: socket.socket, port: int, closed: Callable[[], bool]) -> None:
    """Pass every connection to `listener` on to `port` of this host's loopback, until cancelled.

    While `closed` says so, none is passed on, and no further byte of those there are.
    """

    async def enter(connection: socket.socket, seat: Seat) -> None:
        seat.occupy()  # who is to speak first, and when, is known to the two ends alone
        async with streams(connection) as (reader, writer):
            if not closed():
                await _pass_on(reader, writer, port, closed)

    door = Door(f"port {port}", MAX_CONNECTIONS)
    await door.serve(listener, enter)


async def _pass_on(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, port: int, closed: Callable[[], bool]
) -> None:
    """Copy both ways until both have ended; nobody at `port` closes the connection, as a refusal would."""
    with suppress(OSError):
        host_reader, host_writer = await asyncio.open_connection(LOOPBACK_HOST, port)
        send_at_once(host_writer)
        try:
            await asyncio.gather(_copy(reader, host_writer, closed), _copy(host_reader, writer, closed))
        finally:
            host_writer.close()


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, closed: Callable[[], bool]) -> None:
    while data := await reader.read(_CHUNK):
        if closed():
            raise ConnectionAbortedError
        writer.write(data)
        await writer.drain()
    writer.write_eof()
