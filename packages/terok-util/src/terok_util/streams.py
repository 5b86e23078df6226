"""What every TCP connection of ours has in common, whoever opened it and however its listener was made."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import asyncio


def send_at_once(stream: socket.socket | asyncio.BaseTransport | asyncio.StreamWriter) -> None:
    """Let small pieces leave as they are written: else an event of a stream waits up to 40 ms for the one before.

    asyncio does so too, but not for sockets whose protocol is 0, as those of many listeners are. What a listener
    accepts inherits the setting. Sockets that are not TCP stay as they are.
    """
    held = stream if isinstance(stream, socket.socket) else stream.get_extra_info("socket")
    if held is not None and held.family in (socket.AF_INET, socket.AF_INET6):
        held.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
