"""A free TCP port that stays ours until it is handed over."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager

from terok_sandbox.errors import SandboxError


class PortReservation:
    """A bound, unconnected socket. `release` right before whoever needs the port binds it."""

    def __init__(self, held: socket.socket) -> None:
        self._held = held
        self.port: int = held.getsockname()[1]

    def release(self) -> None:
        """Give the port up; doing so twice is harmless."""
        self._held.close()


@contextmanager
def reserve_port(host: str = "127.0.0.1") -> Iterator[PortReservation]:
    """Hold a free TCP port of the address `host`; raises SandboxError when none is left."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as held:
        try:
            held.bind((host, 0))
        except OSError as error:
            raise SandboxError(f"no port of {host} can be reserved: {error.strerror}") from error
        yield PortReservation(held)
