"""Serve a mirror on a port of this host, without a container."""

from __future__ import annotations

import asyncio
import socket
import threading
from pathlib import Path
from typing import Self

from terok_util.streams import send_at_once

from terok_sandbox.gate.errors import GateError
from terok_sandbox.gate.request import gate_url
from terok_sandbox.gate.server import GateLimits, serve_gate
from terok_sandbox.sidecar import GateWiring


class GateServer:
    """Serves `mirror` as `/<name>.git` on the loopback `port` (0: any), from a thread; `url` holds the token."""

    def __init__(
        self,
        mirror: Path,
        name: str,
        token: str,
        *,
        port: int = 0,
        limits: GateLimits | None = None,
        who: str = "container",
    ) -> None:
        self._wiring = GateWiring.for_token(mirror, name, token)
        self._who = who
        self._limits = limits
        self._socket = socket.create_server(("127.0.0.1", port))
        send_at_once(self._socket)
        self._loop = asyncio.new_event_loop()
        self._stop = asyncio.Event()
        self._thread = threading.Thread(target=self._serve, name="terok-gate", daemon=True)
        self.url = gate_url(token, name, self._socket.getsockname()[1])

    def start(self) -> None:
        """Begin to serve; earlier connections wait."""
        self._thread.start()

    def stop(self) -> None:
        """End all calls and close the port; `GateError` when that takes too long."""
        if self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(30.0)
        self._socket.close()
        if self._thread.is_alive():
            raise GateError("the gate's server does not stop")

    def _serve(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            service = serve_gate(self._socket, self._wiring, stop=self._stop, limits=self._limits, who=self._who)
            runner.run(service)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()
