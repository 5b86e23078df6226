"""Connect a container's network namespace with the host's network, and keep it connected.

The program that does it ends with the process that started it, so that a container nobody supervises has no interface
but `lo`, whatever Podman was told. While a process of the container runs, the program is started only behind the
verified rules; before the first one runs, beside the rules being loaded.
"""

from __future__ import annotations

import os
import select
import selectors
import time
from contextlib import ExitStack, suppress
from functools import partial
from pathlib import Path
from typing import Final

from terok_util import TerokError
from terok_util.process import DEVNULL, Process, spawn

from terok_sandbox.errors import NetnsError
from terok_sandbox.netns.enter import become_uplink_by_descriptor, become_uplink_by_path
from terok_sandbox.supervise.handover import ProcessId, start_time
from terok_sandbox.supervise.logfile import LogFile
from terok_sandbox.values.launch import Network

INTERFACE: Final = "tap0"
_PLACE: Final = "netns"
_READY: Final = "netns-ready"
_SLIRP: Final = (
    *("slirp4netns", "--configure", "--mtu=65520", "--disable-host-loopback", "--disable-dns", "--enable-ipv6"),
    *("--enable-sandbox", "--enable-seccomp", "--netns-type=path"),
)
_PASTA: Final = (
    *("pasta", "--foreground", "--quiet", "--config-net", "--no-map-gw"),
    *("--tcp-ports", "none", "--udp-ports", "none", "--tcp-ns", "none", "--udp-ns", "none"),
)
"""Nothing is forwarded into the container, nor from its loopback to the host's."""


class StartingUplink:
    """A program that connects the namespace of `netns_fd`, started but not known to be ready.

    `directory` is the container's own; what the program says goes to `error_fd`. Must be made by a single-threaded
    process.
    """

    def __init__(self, network: Network, netns_fd: int, directory: Path, *, error_fd: int) -> None:
        start = _start_slirp4netns if network == "slirp4netns" else _start_pasta
        self._network = network
        with ExitStack() as opened:
            self._program, self._ready = start(netns_fd, directory, error_fd, opened)
            self._opened = opened.pop_all()

    def wait(self, timeout: float) -> Process:
        """Return the program once it is ready; raises `NetnsError`, and leaves none, when it is not in time."""
        try:
            _await(self._program, self._ready, timeout, self._network)
        except BaseException:
            self.cancel()
            raise
        self._opened.close()
        return self._program

    def cancel(self) -> None:
        """End the program."""
        self._opened.close()
        self._program.kill()
        self._program.wait(5)


def _start_slirp4netns(netns_fd: int, directory: Path, error_fd: int, opened: ExitStack) -> tuple[Process, int]:
    ready, tell = os.pipe2(os.O_CLOEXEC)
    opened.callback(os.close, ready)
    try:
        process = spawn(
            [*_SLIRP, "--ready-fd", str(tell), f"/proc/self/fd/{netns_fd}", INTERFACE],
            pass_fds=(netns_fd, tell),
            stdout=DEVNULL,
            stderr=error_fd,
            preexec=partial(become_uplink_by_descriptor, netns_fd, os.getpid()),
        )
    finally:
        os.close(tell)
    return process, ready


def _start_pasta(netns_fd: int, directory: Path, error_fd: int, opened: ExitStack) -> tuple[Process, int]:
    """Start pasta, which closes what it inherits: it finds the namespace by a path and says by another one it is ready.

    It writes its process id, last of all, into what is here a pipe.
    """
    place, pipe = directory / _PLACE, directory / _READY
    pipe.unlink(missing_ok=True)
    os.mkfifo(pipe, 0o600)
    opened.callback(pipe.unlink, missing_ok=True)
    ready = os.open(pipe, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    opened.callback(os.close, ready)
    place.touch(mode=0o600)
    process = spawn(
        [*_PASTA, "--pid", pipe, "--netns", place],
        pass_fds=(netns_fd,),
        stdout=DEVNULL,
        stderr=error_fd,
        preexec=partial(become_uplink_by_path, netns_fd, os.getpid(), place),
    )
    return process, ready


def _await(process: Process, ready: int, timeout: float, network: Network) -> None:
    """Wait until the program has written to `ready`; the end of either comes first when it fails."""
    deadline = time.monotonic() + timeout
    pidfd = os.pidfd_open(process.pid)
    try:
        waiting = select.poll()
        waiting.register(pidfd, select.POLLIN)
        waiting.register(ready, select.POLLIN)
        events = waiting.poll(max(0.0, deadline - time.monotonic()) * 1000)
    finally:
        os.close(pidfd)
    if not events:
        raise NetnsError(f"{network} did not connect the container within {timeout:g} s")
    if not any(descriptor == ready for descriptor, _ in events) or not os.read(ready, 64):
        raise NetnsError(f"{network} could not connect the container", hint=_HINT)


_HINT: Final = "see supervisor.log in the container's state directory; /dev/net/tun must be open to every user"


NAME: Final = "uplink"
_BACKOFF: Final = 1.0  # seconds before a program that has ended is started again


class Uplink:
    """The program of one container, or none; whoever holds this has `selector` and watches `due`."""

    def __init__(self, selector: selectors.BaseSelector, log: LogFile, *, error_fd: int, timeout: float) -> None:
        self._selector = selector
        self._log = log
        self._error_fd = error_fd
        self._timeout = timeout
        self._wanted: tuple[Network, int, Path] | None = None
        self._starting: StartingUplink | None = None
        self._program: Process | None = None
        self._pidfd = -1
        self.due: float | None = None  # when the program is to be started again (`time.monotonic`)

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
