"""The way out of a container's network namespace: the program that connects it to the host's network.

It ends with the process that started it, so that a container nobody supervises has no interface but `lo`, whatever
Podman was told. While a process of the container runs, it is started only behind the verified rules; before the first
one runs, beside the rules being loaded.
"""

from __future__ import annotations

import os
import select
import time
from contextlib import ExitStack
from functools import partial
from typing import TYPE_CHECKING, Final

from terok_util.process import DEVNULL, spawn

from terok_sandbox.errors import NetnsError
from terok_sandbox.netns.enter import become_uplink_by_descriptor, become_uplink_by_path

if TYPE_CHECKING:
    from pathlib import Path

    from terok_sandbox.netns.nft import Program
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

    def wait(self, timeout: float) -> Program:
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


def _start_slirp4netns(netns_fd: int, directory: Path, error_fd: int, opened: ExitStack) -> tuple[Program, int]:
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


def _start_pasta(netns_fd: int, directory: Path, error_fd: int, opened: ExitStack) -> tuple[Program, int]:
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


def _await(process: Program, ready: int, timeout: float, network: Network) -> None:
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
