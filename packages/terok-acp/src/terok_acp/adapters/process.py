"""One running adapter: a socket to it, what it says on the side, and its end."""

from __future__ import annotations

import json
import os
import secrets
import socket
import threading
from concurrent.futures import Future
from contextlib import suppress
from typing import Final

from terok_util import TerokError, safe_text

from terok_acp.adapters.spec import AdapterSpec
from terok_acp.adapters.stderr_log import StderrLog
from terok_acp.errors import AgentBindError
from terok_acp.integrations.sandbox import ContainerRuntime

WRAPPER: Final = "terok-adapter"
"""The program in every image with agents that starts adapters; see its own help."""
IDENT: Final = "terok-"
"""Beginning of the names that adapters of ours are known by inside."""
PATIENCE: Final = 8.0
"""Seconds in which the wrapper ends an adapter: end of input, SIGTERM, SIGKILL, two each, and Podman's own."""
_CHUNK: Final = 1 << 16


class AdapterProcess:
    """The adapter of one agent in one container, started once."""

    def __init__(self, spec: AdapterSpec, container: str, runtime: ContainerRuntime) -> None:
        self.spec = spec
        self.container = container
        self.ended: Future[int] = Future()
        """Done when nothing of it is left inside; its exit code. A new adapter may take up its sessions only then."""
        self._runtime = runtime
        self._ident = f"{IDENT}{secrets.token_hex(8)}"
        self._log = StderrLog()
        self._ours: socket.socket | None = None

    def start(self) -> socket.socket:
        """Begin to start it and return our end of its standard streams, which does not block.

        Closing the end, or shutting down its writing side, ends the adapter in an orderly way.
        """
        self._ours, theirs = socket.socketpair()
        self._ours.setblocking(False)
        reading, writing = os.pipe2(os.O_CLOEXEC)
        name = f"acp-{self.spec.agent}"
        threading.Thread(target=self._hear, args=(reading,), name=f"{name}-log", daemon=True).start()
        threading.Thread(target=self._attend, args=(theirs, writing), name=name, daemon=True).start()
        return self._ours

    def log_tail(self, characters: int = 4000) -> str:
        """Return the end of what it has written to standard error."""
        return self._log.tail(characters)

    def stop(self) -> None:
        """End it and make sure that nothing is left; blocks for up to some ten seconds.

        AgentBindError if processes are left, EngineError if nobody knows.
        """
        if self._ours is not None:
            with suppress(OSError):
                self._ours.shutdown(socket.SHUT_WR)
            with suppress(TimeoutError):
                self.ended.result(PATIENCE)
        self._sweep()

    def _attend(self, theirs: socket.socket, errors: int) -> None:
        code = -1
        command = (WRAPPER, "run", self.spec.agent, self._ident)
        try:
            ends = theirs.fileno()
            code = self._runtime.exec_stdio(self.container, command, stdin=ends, stdout=ends, stderr=errors)
        except TerokError as error:
            self._log.add(f"{error.message}\n".encode())
        finally:
            theirs.close()  # the reader of our end sees the end of the stream
            os.close(errors)
        if code < 0:  # not the adapter has ended, but what connects us with it
            try:
                self._sweep()
            except TerokError as error:
                self._log.add(f"{error.message}\n".encode())
        self.ended.set_result(code)

    def _hear(self, reading: int) -> None:
        while data := os.read(reading, _CHUNK):
            self._log.add(data)
        os.close(reading)

    def _sweep(self) -> None:
        end_adapters(self._runtime, self.container, self._ident)


def end_adapters(runtime: ContainerRuntime, container: str, prefix: str = IDENT) -> None:
    """End every adapter of ours in a container whose name begins so; none is left of an earlier daemon then.

    A container that does not run has none. AgentBindError if processes are left, EngineError if nobody knows.
    """
    if not runtime.container(container).running:
        return
    done = runtime.exec(container, (WRAPPER, "stop", prefix), timeout=PATIENCE * 2)
    if done.exit_code == 0 or not runtime.container(container).running:
        return
    try:
        left = json.loads(done.stdout)["left"]
    except (ValueError, KeyError, TypeError):
        hint = "start a new task: its container is made by this version"
        raise AgentBindError(f"{container} cannot end adapters: {safe_text(done.stderr[-200:])}", hint=hint) from None
    raise AgentBindError(
        f"{len(left)} processes of an adapter are left in {container}", hint=f"podman restart {container}"
    )
