"""The control socket of a fork server or supervisor: one request and one answer per connection, this user only."""

from __future__ import annotations

import os
import selectors
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from typing import Any, Final

from terok_util import TerokError

from terok_sandbox import unix_sockets
from terok_sandbox.errors import SupervisorError
from terok_sandbox.supervise import frames
from terok_sandbox.supervise.hook import BUILD, PROTOCOL

Handler = Callable[[frames.Frame], dict[str, Any]]
"""Takes a request and returns the fields of the `ok` answer; a TerokError becomes an `error` answer."""

_REQUEST_TIMEOUT: Final = 5.0
_MAX_CONNECTIONS: Final = 32


class ControlServer:
    """Serves requests on `listener` through `selector`, whose events carry a callback as their data."""

    def __init__(self, listener: socket.socket, selector: selectors.BaseSelector, handler: Handler) -> None:
        self._listener = listener
        self._selector = selector
        self._handler = handler
        self._connections: dict[socket.socket, float] = {}
        selector.register(listener, selectors.EVENT_READ, self._accept)

    def expire(self) -> None:
        """Drop connections whose request does not come."""
        now = time.monotonic()
        for connection in [
            connection for connection, since in self._connections.items() if now - since > _REQUEST_TIMEOUT
        ]:
            self._drop(connection)

    def close(self) -> None:
        """Stop listening and drop every connection."""
        for connection in list(self._connections):
            self._drop(connection)
        self._selector.unregister(self._listener)
        self._listener.close()

    @property
    def waiting(self) -> bool:
        """Whether a connection is open whose request has not come yet."""
        return bool(self._connections)

    def _accept(self) -> None:
        with suppress(OSError):
            connection, _ = self._listener.accept()
            if unix_sockets.peer_uid(connection) != os.geteuid() or len(self._connections) >= _MAX_CONNECTIONS:
                connection.close()
                return
            connection.setblocking(False)
            self._connections[connection] = time.monotonic()
            self._selector.register(connection, selectors.EVENT_READ, lambda: self._read(connection))

    def _read(self, connection: socket.socket) -> None:
        try:
            frame = frames.receive(connection)
        except BlockingIOError:
            return
        except frames.FrameError as error:
            answer = frames.encode("error", message=error.message, hint=error.hint)
        except OSError:
            answer = b""
        else:
            answer = b"" if frame is None else self._answer(frame)
        if answer:
            with suppress(OSError):
                connection.send(answer)
        self._drop(connection)

    def _answer(self, frame: frames.Frame) -> bytes:
        try:
            if frame.version != PROTOCOL:
                theirs = f"the hook or client speaks protocol {frame.version} ({frame.build})"
                hint = "run `terok-sandbox setup`, so that both are of one version"
                raise SupervisorError(f"{theirs}, the supervisor {PROTOCOL} ({BUILD})", hint=hint)
            return frames.encode("ok", **self._handler(frame))
        except TerokError as error:
            return frames.encode("error", message=error.message[:4000], hint=error.hint and error.hint[:4000])
        except Exception as error:  # noqa: BLE001 - one bad request must not end the server
            return frames.encode("error", message=f"{frame.kind}: {type(error).__name__}: {error}"[:4000])
        finally:
            frame.close()

    def _drop(self, connection: socket.socket) -> None:
        if self._connections.pop(connection, None) is not None:
            self._selector.unregister(connection)
            connection.close()


def ready(selector: selectors.BaseSelector, timeout: float | None) -> Iterator[Callable[[], object]]:
    """Yield the callbacks of what is ready within `timeout` seconds, without those that an earlier one has removed."""
    for key, _ in selector.select(timeout):
        if selector.get_map().get(key.fd) is key:
            yield key.data


def stop_on_signals(selector: selectors.BaseSelector, stop: Callable[..., None]) -> None:
    """Have `stop` called at SIGTERM and SIGINT, also when they arrive right before a wait."""
    wake, woken = socket.socketpair()
    wake.setblocking(False)
    woken.setblocking(False)
    signal.set_wakeup_fd(woken.detach())
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, stop)
    selector.register(wake, selectors.EVENT_READ, lambda: wake.recv(64))
