"""The least that an asyncio program does between client and provider: the measure for what the vault adds to it.

Per message it reads one head, learns from it how the body is framed, and copies both. One connection to the provider is
kept for each of the client's. Nothing is checked, swapped, searched, metered or written down.
"""

from __future__ import annotations

import asyncio
import socket

READ = 256 * 1024


async def relay(on: socket.socket, upstream: int) -> None:
    """Serve `on` until cancelled, on behalf of a provider at the loopback's port `upstream`."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        far_reader, far_writer = await asyncio.open_connection("127.0.0.1", upstream, limit=READ)
        for end in (writer, far_writer):
            end.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            while True:
                await copy(reader, far_writer)
                await copy(far_reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()
            far_writer.close()

    await (await asyncio.start_server(serve, sock=on, limit=READ)).serve_forever()


async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy one message; raises IncompleteReadError where it ends early or there is none."""
    head = await reader.readuntil(b"\r\n\r\n")
    folded = head.lower()
    if b"\r\ntransfer-encoding: chunked" in folded:
        writer.write(head)
        size = -1
        while size:
            line = await reader.readuntil(b"\r\n")
            size = int(line, 16)
            writer.write(line + await reader.readexactly(size + 2))
            await writer.drain()
        return
    left = int(folded.partition(b"\r\ncontent-length: ")[2].partition(b"\r\n")[0] or 0)
    while left:
        piece = await reader.read(min(left, READ))
        if not piece:
            raise asyncio.IncompleteReadError(b"", left)
        left -= len(piece)
        writer.write(head + piece)
        head = b""
        await writer.drain()
    if head:
        writer.write(head)
