"""Standard input and output on one side, a daemon's socket on the other; starts a daemon when one is needed."""

from __future__ import annotations

import os
import select
import socket
import time
from collections.abc import Callable
from typing import Final

from terok_util import TerokError

from terok_acp.connect.front import Front
from terok_acp.errors import EndpointError

_PIECE: Final = 256 << 10
_MOST_WAITING: Final = 4 << 20
"""Bytes that wait for one side before the other is not read any more."""
_LOOK: Final = 0.02
"""Seconds between two attempts to reach a daemon that starts."""
_PAUSE: Final = 1.0
"""Seconds before another daemon is started after one has failed."""


class Pump:
    """Runs a `Front` between an editor and daemons.

    `start` starts a daemon and returns at once; `problem` returns why the last one could not start, or None while it
    may still come.
    """

    def __init__(
        self,
        front: Front,
        reach: Callable[[], socket.socket],
        start: Callable[[], None],
        problem: Callable[[], str | None],
    ) -> None:
        self._front = front
        self._reach = reach
        self._start = start
        self._problem = problem
        self._daemon: socket.socket | None = None
        self._starting = False
        self._not_before = 0.0
        self._out = bytearray()
        self._in = bytearray()

    def run(self, stdin: int, stdout: int) -> None:
        """Serve until the editor is gone."""
        os.set_blocking(stdout, False)
        while self._turn(stdin, stdout):
            self._collect()
            if self._daemon is None:
                if self._out and not self._write(stdout):  # an answer does not wait until a daemon is started
                    return
                self._connect()
                self._collect()

    def _turn(self, stdin: int, stdout: int) -> bool:
        daemon = self._daemon
        reading: list[int] = [stdin] if len(self._in) < _MOST_WAITING else []
        writing: list[int] = [stdout] if self._out else []
        if daemon is not None:
            if len(self._out) < _MOST_WAITING:
                reading.append(daemon.fileno())
            if self._in:
                writing.append(daemon.fileno())
        readable, writable, _ = select.select(reading, writing, [], self._wait())
        if stdout in writable and not self._write(stdout):
            return False
        if daemon is not None and daemon.fileno() in writable:
            self._send(daemon)
        if daemon is not None and daemon.fileno() in readable:
            self._receive(daemon)
        if stdin in readable:
            data = os.read(stdin, _PIECE)
            if not data:
                return False
            self._front.editor_said(data)
        return True

    def _wait(self) -> float | None:
        if self._daemon is not None:
            return None
        return _LOOK if self._starting or self._front.needs_daemon else None

    def _connect(self) -> None:
        """Reach a daemon, or start one if there is none."""
        try:
            daemon = self._reach()
        except EndpointError:
            self._without_daemon()
            return
        daemon.setblocking(False)
        self._daemon, self._starting = daemon, False
        self._front.daemon_came()

    def _without_daemon(self) -> None:
        now = time.monotonic()
        if self._starting:
            problem = self._problem()
            if problem is not None:
                self._starting, self._not_before = False, now + _PAUSE
                self._front.refuse(problem)
        elif now >= self._not_before:
            self._starting = True
            try:
                self._start()
            except TerokError as error:
                self._starting, self._not_before = False, now + _PAUSE
                self._front.refuse(error.message)

    def _collect(self) -> None:
        self._out += b"".join(self._front.to_editor)
        self._front.to_editor.clear()
        if self._daemon is not None:
            self._in += b"".join(self._front.to_daemon)
            self._front.to_daemon.clear()

    def _write(self, stdout: int) -> bool:
        try:
            written = os.write(stdout, self._out[:_PIECE])
        except BlockingIOError:
            return True
        except OSError:
            return False
        del self._out[:written]
        return True

    def _send(self, daemon: socket.socket) -> None:
        try:
            sent = daemon.send(self._in[:_PIECE])
        except (BlockingIOError, OSError):
            return  # its end is seen where it is read
        del self._in[:sent]

    def _receive(self, daemon: socket.socket) -> None:
        try:
            data = daemon.recv(_PIECE)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if data:
            self._front.daemon_said(data)
            return
        daemon.close()
        self._daemon = None
        self._in.clear()
        self._front.daemon_went("the connection to the container was lost; try again")
