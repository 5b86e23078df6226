"""The process that serves one page until its container ends. What it needs comes as JSON on standard input."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path

from aiohttp import web

from terok_executor.integrations.sandbox import Sandbox
from terok_executor.web.guard import Guard
from terok_executor.web.proxy import application, open_socket


async def serve(listener: socket.socket, guard: Guard, path: Path, container: str) -> None:
    """Serve until the container ends."""
    runner = web.AppRunner(application(guard, open_socket(path)), access_log=None, shutdown_timeout=1.0)
    await runner.setup()
    await web.SockSite(runner, listener).start()
    sys.stdout.write("serving\n")
    sys.stdout.flush()
    try:
        await asyncio.to_thread(Sandbox().runtime.container(container).wait, None)
    finally:
        await runner.cleanup()


def main() -> int:
    """Read the order and serve."""
    order = json.load(sys.stdin)
    listener = socket.socket(fileno=order["fd"])
    guard = Guard(listener.getsockname()[1], order["public_url"], order["token"])
    asyncio.run(serve(listener, guard, Path(order["socket"]), order["container"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
