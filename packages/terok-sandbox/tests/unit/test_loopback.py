from __future__ import annotations

import asyncio
import socket
from contextlib import suppress

import pytest
from terok_sandbox.loopback import MAX_CONNECTIONS, serve_loopback


async def rest(reader: asyncio.StreamReader) -> bytes:
    with suppress(ConnectionError):
        return await asyncio.wait_for(reader.read(), 10)
    return b""


async def test_a_host_s_port_is_passed_on_until_the_container_is_in_quarantine() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(100):
            writer.write(data)
        writer.close()

    shut = False
    listener = socket.create_server(("127.0.0.1", 0))
    async with await asyncio.start_server(echo, "127.0.0.1", 0) as host:
        port = host.sockets[0].getsockname()[1]
        task = asyncio.create_task(serve_loopback(listener, port, lambda: shut))
        reader, writer = await asyncio.open_connection(*listener.getsockname())
        writer.write(b"before")
        assert await reader.readexactly(6) == b"before"
        shut = True
        writer.write(b"after")
        assert await rest(reader) == b"", "what was open carries nothing more"
        late, other = await asyncio.open_connection(*listener.getsockname())
        other.write(b"late")
        assert await rest(late) == b""
        for one in (writer, other):
            one.close()
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        host.close()
    listener.close()


@pytest.mark.attack("ACC-1")
async def test_connections_to_a_port_are_bounded() -> None:
    """ACC-1: what is open stays open, further ones are closed before the host hears of them."""
    heard: list[asyncio.StreamWriter] = []

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        heard.append(writer)
        while data := await reader.read(100):
            writer.write(data)

    with socket.create_server(("127.0.0.1", 0), backlog=512) as listener:
        async with await asyncio.start_server(echo, "127.0.0.1", 0) as host:
            port = host.sockets[0].getsockname()[1]
            task = asyncio.create_task(serve_loopback(listener, port, lambda: False))
            crowd = [await asyncio.open_connection(*listener.getsockname()) for _ in range(3 * MAX_CONNECTIONS)]
            assert await rest(crowd[-1][0]) == b""
            crowd[0][1].write(b"still here")
            assert await asyncio.wait_for(crowd[0][0].readexactly(10), 10) == b"still here"
            assert len(heard) == MAX_CONNECTIONS
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            for writer in (*heard, *(writer for _, writer in crowd)):
                writer.close()
                with suppress(ConnectionError):
                    await writer.wait_closed()
