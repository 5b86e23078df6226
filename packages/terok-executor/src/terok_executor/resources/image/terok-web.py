#!/usr/bin/env python3
"""Serves a web page of this container on a Unix socket: terok-web SOCKET PORT COMMAND [ARGUMENT…].

The command serves on PORT of the loopback; what connects to the socket is led there. Ends when the command ends.
"""

import asyncio
import contextlib
import os
import sys

READY_SECONDS = 60


async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copy until the end."""
    with contextlib.suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    with contextlib.suppress(OSError, RuntimeError):
        if writer.can_write_eof():
            writer.write_eof()


async def lead(port: int, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Join one connection with the page's own server."""
    try:
        inner_reader, inner_writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        writer.close()
        return
    await asyncio.gather(pump(reader, inner_writer), pump(inner_reader, writer))
    for one in (inner_writer, writer):
        one.close()


async def ready(port: int) -> bool:
    """Wait until something listens on the port."""
    for _ in range(READY_SECONDS * 10):
        with contextlib.suppress(OSError):
            _, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.close()
            return True
        await asyncio.sleep(0.1)
    return False


async def main(socket: str, port: int, command: "list[str]") -> int:
    """Start the command and serve until it ends."""
    process = await asyncio.create_subprocess_exec(*command)
    waiting, ended = asyncio.create_task(ready(port)), asyncio.create_task(process.wait())
    await asyncio.wait({waiting, ended}, return_when=asyncio.FIRST_COMPLETED)
    if not ended.done():
        if not waiting.result():
            print(f">> web: nothing listens on port {port}", flush=True)
            process.kill()
            return 1
        with contextlib.suppress(FileNotFoundError):
            os.unlink(socket)
        os.umask(0o177)
        server = await asyncio.start_unix_server(lambda *ends: lead(port, *ends), socket)
        print(">> web ready", flush=True)
        async with server:
            await ended
    waiting.cancel()
    return await ended


if __name__ == "__main__":
    if len(sys.argv) < 4:
        sys.exit(__doc__)
    sys.exit(asyncio.run(main(sys.argv[1], int(sys.argv[2]), sys.argv[3:])))
