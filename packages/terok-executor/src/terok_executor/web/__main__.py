"""The process that serves one page until its container ends; its order comes as JSON on standard input."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path
from typing import Any

from terok_executor.integrations.sandbox import Sandbox
from terok_executor.web.guard import Guard
from terok_executor.web.proxy import open_socket, serving


async def serve(order: dict[str, Any]) -> None:
    """Serve until the container ends."""
    listener = socket.socket(fileno=order["fd"])
    guard = Guard(listener.getsockname()[1], order["public_url"], order["token"])
    async with serving(listener, guard, open_socket(Path(order["socket"]))):
        sys.stdout.write("serving\n")
        sys.stdout.flush()
        await asyncio.to_thread(Sandbox().runtime.container(order["container"]).wait, None)


if __name__ == "__main__":
    asyncio.run(serve(json.load(sys.stdin)))
