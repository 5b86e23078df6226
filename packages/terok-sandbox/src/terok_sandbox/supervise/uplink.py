"""Keeps a supervised container connected: the program that leads out of its namespace, started again when it ends."""

from __future__ import annotations

import os
import selectors
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from terok_util import TerokError

from terok_sandbox.netns.uplink import StartingUplink
from terok_sandbox.supervise.handover import ProcessId, start_time

if TYPE_CHECKING:
    from pathlib import Path

    from terok_sandbox.netns.nft import Program
    from terok_sandbox.supervise.logfile import LogFile
    from terok_sandbox.values.launch import Network

NAME: Final = "uplink"
_BACKOFF: Final = 1.0
"""Seconds before a program that has ended is started again."""


class Uplink:
    """The program of one container, or none; whoever holds this has `selector` and watches `due`."""

    def __init__(self, selector: selectors.BaseSelector, log: LogFile, *, error_fd: int, timeout: float) -> None:
        self._selector = selector
        self._log = log
        self._error_fd = error_fd
        self._timeout = timeout
        self._wanted: tuple[Network, int, Path] | None = None
        self._starting: StartingUplink | None = None
        self._program: Program | None = None
        self._pidfd = -1
        self.due: float | None = None
        """When the program is to be started again (`time.monotonic`)."""

    def begin(self, network: Network | None, netns_fd: int, directory: Path) -> None:
        """Start the program for the namespace of `netns_fd`; `directory` is the container's own."""
        self.close()
        if network is not None:
            self._wanted = (network, netns_fd, directory)
            self._starting = StartingUplink(network, netns_fd, directory, error_fd=self._error_fd)

    def finish(self) -> None:
        """Wait until the program that was begun has connected the namespace; raises NetnsError."""
        if self._starting is not None:
            starting, self._starting = self._starting, None
            self._program = starting.wait(self._timeout)
            self._pidfd = os.pidfd_open(self._program.pid)
            self._selector.register(self._pidfd, selectors.EVENT_READ, self._ended)

    def start_due(self) -> bool:
        """Start the program again if its time has come; returns whether it was started."""
        if self.due is None or self.due > time.monotonic():
            return False
        self.due = None
        if self._wanted is None:
            return False
        try:
            self.begin(*self._wanted)
            self.finish()
        except (TerokError, OSError) as error:
            self._log.note(f"the container has no network: {error}")
            self.due = time.monotonic() + _BACKOFF
        return self._program is not None

    def close(self) -> None:
        """End the program, which leaves the container with its loopback interface."""
        self._wanted, self.due = None, None
        if self._starting is not None:
            self._starting.cancel()
            self._starting = None
        if self._program is not None:
            self._program.kill()
            self._reap()

    def process_ids(self) -> dict[str, ProcessId]:
        """Return the running program, if there is one."""
        with suppress(OSError):
            if self._program is not None:
                return {NAME: ProcessId(self._program.pid, start_time(self._program.pid))}
        return {}

    def _ended(self) -> None:
        if self._wanted is not None:
            self._log.note(f"{self._wanted[0]} has ended: the container has no network until it runs again")
            self.due = time.monotonic() + _BACKOFF
        self._reap()

    def _reap(self) -> None:
        self._selector.unregister(self._pidfd)
        os.close(self._pidfd)
        if self._program is not None:
            self._program.wait(5)
            self._program = None
