"""Settings of TCP connections."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


def send_at_once(stream: socket.socket | asyncio.BaseTransport | asyncio.StreamWriter) -> None:
    """Send small pieces as they are written; otherwise an event of a stream waits up to 40 ms for the one before it.

    asyncio does so too, but not for sockets whose protocol is 0, as those of many listeners are. Connections inherit
    the setting from their listener. Sockets other than TCP stay as they are.
    """
    raw = stream if isinstance(stream, socket.socket) else stream.get_extra_info("socket")
    if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
