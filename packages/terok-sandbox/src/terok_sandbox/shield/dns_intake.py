"""Reads the container's datagrams in turns, so that its questions take no more than a share of this host's processors.

The gateway is outside the container's limits, so it has to keep to one itself. While the share is used up nothing is
read, and what does not fit into the socket's queue is dropped by the kernel.
"""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from typing import Final

BURST: Final = 2.0
SHARE: Final = 0.1
"""Processor seconds: so many at once, then so many a second."""
PAUSE: Final = 0.02
_TURN: Final = 32
"""Datagrams that are read before others get their turn."""
_MAX_QUERY: Final = 4096


class QueryRate:
    """The processor time that is left for queries; `clock` is monotonic, in seconds."""

    def __init__(self, clock: Callable[[], float], *, burst: float = BURST, share: float = SHARE) -> None:
        self._clock = clock
        self._burst = burst
        self._share = share
        self._left = burst
        self._at = clock()

    def spend(self, seconds: float) -> float:
        """Take off `seconds`; return for how long nothing more is to be done, 0 while some is left."""
        now = self._clock()
        self._left = min(self._burst, self._left + (now - self._at) * self._share) - seconds
        self._at = now
        return 0.0 if self._left > 0 else max(PAUSE, -self._left / self._share)


class Intake:
    """Gives every datagram of `udp` to `answer` and sends back what it returns.

    `answer` takes the bytes, the port they came from, and how to answer later.
    """

    def __init__(
        self,
        udp: socket.socket,
        answer: Callable[[bytes, int, Callable[[bytes], None]], bytes | None],
        rate: QueryRate,
    ) -> None:
        self._udp = udp
        self._answer = answer
        self._rate = rate
        self._loop = asyncio.get_running_loop()
        self._pause: asyncio.TimerHandle | None = None
        udp.setblocking(False)
        self._resume()

    def close(self) -> None:
        """Stop reading, and close the socket."""
        if self._pause is not None:
            self._pause.cancel()
        self._loop.remove_reader(self._udp)
        self._udp.close()

    def _resume(self) -> None:
        self._pause = None
        self._loop.add_reader(self._udp, self._read)

    def _read(self) -> None:
        began = time.thread_time()
        with suppress(BlockingIOError):
            for _ in range(_TURN):
                wire, peer = self._udp.recvfrom(_MAX_QUERY)
                reply = self._answer(wire, peer[1], partial(self._send, peer))
                if reply is not None:
                    self._send(peer, reply)
        if pause := self._rate.spend(time.thread_time() - began):
            self._loop.remove_reader(self._udp)
            self._pause = self._loop.call_later(pause, self._resume)

    def _send(self, peer: tuple[str, int], reply: bytes) -> None:
        with suppress(OSError):  # the asker's queue is full, or the server has ended
            self._udp.sendto(reply, peer)
