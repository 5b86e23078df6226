"""What waits now in all running containers, asked once and without an event loop."""

from __future__ import annotations

import selectors
import socket
import time
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from terok_sandbox import unix_sockets
from terok_sandbox.clearance import protocol
from terok_sandbox.clearance.errors import BadMessage, ClearanceError
from terok_sandbox.clearance.events import read_event

if TYPE_CHECKING:
    from pathlib import Path

    from terok_sandbox.clearance.model import ClearanceRequest
    from terok_sandbox.config import SandboxConfig

MAX_CONTAINERS: Final = 256
MAX_WAITING: Final = 1024
SETTLE: Final = 10.0
"""Seconds the hubs of all containers have to say what waits."""
CONNECT_TIMEOUT: Final = 3.0


def hub_sockets(config: SandboxConfig, only: str | None = None) -> list[Path]:
    """Return the sockets of the containers that have one now, or of the container `only`."""
    if only is not None:
        path = config.clearance_socket(only)
        return [path] if path.exists() else []
    return sorted((config.runtime_dir / "run").glob("*/clearance/hub.sock"))[:MAX_CONTAINERS]


def waiting(sockets: list[Path], *, patience: float = SETTLE) -> list[ClearanceRequest]:
    """Return what waits, container by container, oldest first; a hub that does not answer is left out."""
    deadline = time.monotonic() + patience
    hubs = [_Hub(path) for path in sockets]
    with ExitStack() as stack:
        selector = stack.enter_context(selectors.DefaultSelector())
        for hub in hubs:
            if (left := deadline - time.monotonic()) > 0 and hub.subscribe(min(left, CONNECT_TIMEOUT), stack):
                selector.register(hub.channel, selectors.EVENT_READ, hub)
        while selector.get_map() and (left := deadline - time.monotonic()) > 0:
            for key, _ in selector.select(left):
                if key.data.read():
                    selector.unregister(key.fileobj)
    return [request for hub in hubs for request in hub.found.values()][:MAX_WAITING]


class _Hub:
    """The replay of one container's hub."""

    channel: socket.socket

    def __init__(self, path: Path) -> None:
        self.found: dict[str, ClearanceRequest] = {}
        self._path = path
        self._rest = b""
        self._greeted = False

    def subscribe(self, timeout: float, stack: ExitStack) -> bool:
        try:
            self.channel = stack.enter_context(
                unix_sockets.connect(self._path, timeout=timeout, kind=socket.SOCK_STREAM)
            )
            self.channel.sendall(protocol.encode("subscribe", answers=False))
        except OSError:
            return False
        return True

    def read(self) -> bool:
        """Take in what has come; returns whether it was the last. A hub that breaks off or talks nonsense has none."""
        try:
            data = self.channel.recv(1 << 16)
            *lines, self._rest = (self._rest + data).split(b"\n")
            if not data or len(self._rest) > protocol.MAX_LINE:
                raise BadMessage("the replay has no end")
            return any(self._last(line) for line in lines)
        except (OSError, ClearanceError):
            self.found.clear()
            return True

    def _last(self, line: bytes) -> bool:
        kind, fields = protocol.decode(line)
        if not self._greeted:
            if kind != "hello":
                raise BadMessage("does not greet")
            self._greeted = True
            return False
        event = read_event(self._path.parent.parent.name, kind, fields)
        if event is None:
            return False
        if event.request is not None and len(self.found) < MAX_WAITING:
            self.found[event.request.id] = event.request
        elif event.kind == "resolved":
            self.found.pop(event.request_id, None)
        return event.kind == "replayed"
