"""`terok tui --web`: prints a link that works once, and serves until it is ended."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import socket
import sys
from collections.abc import Callable
from ipaddress import ip_address

from terok_util import UsageError
from terok_util.streams import send_at_once

from terok.tui.web.admission import Address
from terok.tui.web.server import Server

LOOPBACK = "127.0.0.1"
_OPEN = """\
{origin} can be reached from other machines. What it shows and what is typed crosses the network
readable: a link, and everything after it, is for whoever listens there. Use it only on a network that you
trust as this machine, or forward a port by SSH instead: ssh -L {port}:127.0.0.1:{port} …
"""


def serve(say: Callable[[str], object], address: str = LOOPBACK, port: int | None = None) -> int:
    """Serve until it is ended; `say` prints links. UsageError for an address or port that cannot be had."""
    with _listener(address, port) as listener, contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_served(listener, say))
    return 0


def _listener(address: str, port: int | None) -> socket.socket:
    try:
        parsed = ip_address(address)
    except ValueError:
        raise UsageError(f"invalid address {address!r}", hint="use an IP address of this machine") from None
    if parsed.is_unspecified:
        raise UsageError(f"{address} is every address of this machine", hint="name the one that browsers are to open")
    if port is not None and not 0 < port < 65536:
        raise UsageError(f"invalid port {port}", hint="use 1024 to 65535")
    family = socket.AF_INET6 if parsed.version == 6 else socket.AF_INET
    try:
        listener = socket.create_server((address, port or 0), family=family, backlog=64)
    except OSError as error:
        raise UsageError(
            f"{address} port {port or 'any'} cannot be used: {error.strerror}",
            hint="choose another --port, or none for a free one",
        ) from None
    send_at_once(listener)
    return listener


async def _served(listener: socket.socket, say: Callable[[str], object]) -> None:
    loop, over = asyncio.get_running_loop(), asyncio.Event()
    address = Address(*listener.getsockname()[:2])
    server = Server(address, lambda: say("A browser is in. Enter prints a link for another one."))
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        loop.add_signal_handler(number, over.set)
    if not address.local:
        say(_OPEN.format(origin=address.origin, port=address.port))

    def link() -> None:
        say(f"{address.origin}/#{server.browsers.link()}")

    def entered() -> None:
        if os.read(sys.stdin.fileno(), 4096):
            link()
        else:
            loop.remove_reader(sys.stdin.fileno())

    async with server.serving(listener):
        say("Open this link; it works once. Enter prints another one, Ctrl+C ends it.")
        link()
        if sys.stdin.isatty():
            loop.add_reader(sys.stdin.fileno(), entered)
        await over.wait()
        if sys.stdin.isatty():
            loop.remove_reader(sys.stdin.fileno())
