"""The descriptors, opened in the container's network namespace, that a worker process is given."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from terok_sandbox.netns.nft import NftChannelFds
from terok_sandbox.sidecar import Sidecar


@dataclass(frozen=True)
class WorkerContext:
    """Everything a worker gets; `nft` and `nflog` are the gateway's."""

    sidecar: Sidecar
    listeners: Mapping[str, socket.socket]
    nft: NftChannelFds | None
    nflog: socket.socket | None
    container_pid: int

    def descriptors(self) -> set[int]:
        """Return the numbers of every descriptor in here."""
        numbers = {listener.fileno() for listener in self.listeners.values()}
        if self.nft is not None:
            numbers |= {self.nft.stdin, self.nft.stdout}
        if self.nflog is not None:
            numbers.add(self.nflog.fileno())
        return numbers


WorkerEntry = Callable[[WorkerContext], int]  # serves until SIGTERM, then returns its exit code
