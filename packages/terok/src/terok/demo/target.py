"""A service on this host that the agent tries to reach: whether that was refused is measured where it would arrive."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from terok.errors import DemoError


class Target:
    """A TCP listener on the host's own address; `arrived()` counts the connections so far."""

    def __init__(self, listener: socket.socket) -> None:
        self._listener = listener
        self._arrived = 0
        self.address, self.port = listener.getsockname()[:2]

    def arrived(self) -> int:
        """Return how many connections have arrived since the target was opened."""
        with suppress(BlockingIOError):
            while True:
                self._listener.accept()[0].close()
                self._arrived += 1
        return self._arrived


@contextmanager
def open_target() -> Iterator[Target]:
    """Listen on this host's outgoing address, and prove that the host itself can connect; DemoError if it cannot."""
    address = own_address()
    try:
        with socket.create_server((address, 0), backlog=16) as listener:
            port = listener.getsockname()[1]
            socket.create_connection((address, port), timeout=5).close()
            listener.accept()[0].close()
            listener.setblocking(False)
            yield Target(listener)
    except OSError as error:
        raise DemoError(f"cannot listen on this host's address {address}: {error.strerror}") from error


def own_address() -> str:
    """Return the address this host would use towards the network, loopback where it has none; nothing is sent."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe, suppress(OSError):
        probe.connect(("192.0.2.1", 9))  # a datagram socket only looks up the route
        return str(probe.getsockname()[0])
    return "127.0.0.1"
