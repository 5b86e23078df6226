"""The process that serves one page until its container ends; its order comes as JSON on standard input."""

from __future__ import annotations

import asyncio
import json
import socket
import sys
from pathlib import Path

from terok_executor.integrations.sandbox import Sandbox
from terok_executor.web.guard import Guard
from terok_executor.web.proxy import open_socket, serving


async def serve(listener: socket.socket, guard: Guard, path: Path, container: str) -> None:
    """Serve until the container ends."""
    async with serving(listener, guard, open_socket(path)):
        sys.stdout.write("serving\n")
        sys.stdout.flush()
        await asyncio.to_thread(Sandbox().runtime.container(container).wait, None)


def main() -> int:
    """Read the order and serve."""
    order = json.load(sys.stdin)
    listener = socket.socket(fileno=order["fd"])
    guard = Guard(listener.getsockname()[1], order["public_url"], order["token"])
    asyncio.run(serve(listener, guard, Path(order["socket"]), order["container"]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
