"""Make a container's network namespace safe before its first process runs, and bring the listeners out of it.

A forked child is sent the namespace, enters it, brings `lo` up, loads the ruleset in one transaction, reads it back
and verifies it, binds the listeners and the packet log, and hands the descriptors to its parent. Whatever fails, the
parent gets an error and no descriptor.
"""

from __future__ import annotations

import array
import fcntl
import json
import os
import signal
import socket
import struct
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final, NoReturn

from terok_util import TerokError
from terok_util.process import find_tool, run

from terok_sandbox.errors import NetnsError
from terok_sandbox.netns import libnft
from terok_sandbox.netns.enter import enter, limit_shares
from terok_sandbox.netns.listeners import ListenerSpec, bind_listener
from terok_sandbox.netns.packet_log import NFLOG_GROUP, open_packet_log

TIMEOUT: Final = 5.0
TABLE: Final = ("inet", "terok")

_MAX_LISTENERS: Final = 16
_MARGIN: Final = 0.5
_MOST_DESCRIPTORS: Final = 65536
_SIOCGIFFLAGS, _SIOCSIFFLAGS, _IFF_UP = 0x8913, 0x8914, 1

Verify = Callable[[str], object]
"""Takes what `nft -j list table inet terok` printed; raises a TerokError when that is not the intended protection."""
Draft = Callable[[], tuple[str, Verify]]  # returns a ruleset (nft syntax, one transaction) and its check


@dataclass(frozen=True, slots=True)
class Prepared:
    """Listeners by name and the packet log, all bound inside the namespace; the holder closes them."""

    listeners: dict[str, socket.socket]
    packet_log: socket.socket

    def close(self) -> None:
        """Close every socket."""
        for listener in self.listeners.values():
            listener.close()
        self.packet_log.close()


class Preparation:
    """A child that calls `draft`, then waits for a network namespace to load that ruleset and bind `listeners`.

    It can be made before there is a namespace, as fork and draft take a while; the memory they take goes with the
    child. Must be made by a single-threaded process.
    """

    def __init__(self, draft: Draft, listeners: Sequence[ListenerSpec]) -> None:
        self._names = [spec.name for spec in listeners]
        self._channel, child_end = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with child_end:
            self._child = os.fork()
            if self._child == 0:
                _child(child_end, draft, listeners)

    def run(self, netns_fd: int, *, timeout: float = TIMEOUT, meanwhile: Callable[[], None] | None = None) -> Prepared:
        """Prepare the namespace of `netns_fd`, once; `meanwhile` is called beside that. Raises `NetnsError`."""
        with suppress(OSError):  # a child that has failed already has left its word
            socket.send_fds(self._channel, [str(timeout).encode()], [netns_fd])
        if meanwhile is not None:
            meanwhile()
        return _prepared(*_receive(self._channel, timeout), self._names)

    def close(self) -> None:
        """End the child, whatever it is doing."""
        self._channel.close()
        with suppress(ProcessLookupError):
            os.kill(self._child, signal.SIGKILL)
        with suppress(ChildProcessError):  # reaped as an orphan
            os.waitpid(self._child, 0)


def _receive(channel: socket.socket, timeout: float) -> tuple[dict[str, object], list[int]]:
    channel.settimeout(timeout)
    try:
        data, descriptors, flags, _ = socket.recv_fds(channel, 16384, _MAX_LISTENERS + 1)
    except TimeoutError as error:
        raise NetnsError(f"the network namespace was not ready within {timeout:g} s") from error
    try:
        if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC) or not data:
            raise ValueError
        status = json.loads(data)
        if not isinstance(status, dict):
            raise ValueError
    except ValueError as error:
        for descriptor in descriptors:
            os.close(descriptor)
        raise NetnsError("preparing the network namespace ended without a result") from error
    return status, list(descriptors)


def _prepared(status: dict[str, object], descriptors: list[int], names: list[str]) -> Prepared:
    if status.get("ok") is not True or len(descriptors) != len(names) + 1:
        for descriptor in descriptors:
            os.close(descriptor)
        hint = status.get("hint")
        message = str(status.get("error", "preparing the network namespace gave an unusable result"))
        raise NetnsError(message, hint=hint if isinstance(hint, str) else None)
    sockets = [socket.socket(fileno=descriptor) for descriptor in descriptors]
    return Prepared(listeners=dict(zip(names, sockets, strict=False)), packet_log=sockets[-1])


def _child(channel: socket.socket, draft: Draft, listeners: Sequence[ListenerSpec]) -> NoReturn:
    """Do the work and end without running anything the parent has registered for its own exit."""
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.closerange(3, channel.fileno())
        os.closerange(channel.fileno() + 1, _MOST_DESCRIPTORS)
        ruleset, verify = draft()
        data, (netns_fd,), _, _ = socket.recv_fds(channel, 64, 1)  # nothing, when the parent has ended
        deadline = time.monotonic() + float(data)
        limit = limit_shares()
        enter(netns_fd)
        limit()
        _loopback_up()
        _load_rules(ruleset, verify, deadline)
        patience = deadline - _MARGIN
        sockets = [bind_listener(spec, deadline=patience) for spec in listeners]
        sockets.append(open_packet_log(NFLOG_GROUP, deadline=patience))
        descriptors = array.array("i", [opened.fileno() for opened in sockets])
        channel.sendmsg([b'{"ok": true}'], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])
    except TerokError as error:
        _report(channel, error.message, error.hint)
    except Exception as error:  # noqa: BLE001 - the parent must hear of anything
        _report(channel, f"preparing the network namespace: {type(error).__name__}: {error}", None)
    finally:
        os._exit(0)


def _report(channel: socket.socket, message: str, hint: str | None) -> None:
    channel.send(json.dumps({"error": message[:2000], "hint": hint and hint[:2000]}).encode())


def _loopback_up() -> None:
    try:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
            flags = struct.unpack("=16sH14x", fcntl.ioctl(control, _SIOCGIFFLAGS, struct.pack("=16sH14x", b"lo", 0)))[1]
            fcntl.ioctl(control, _SIOCSIFFLAGS, struct.pack("=16sH14x", b"lo", flags | _IFF_UP))
    except OSError as error:
        raise NetnsError(f"cannot bring the loopback interface up: {error.strerror}") from error


def _load_rules(ruleset: str, verify: Verify, deadline: float) -> object:
    """Load in one transaction, then trust only what the kernel says it has."""
    nft = find_tool("nft", hint="install the package nftables")
    listing = ["list", "table", *TABLE]
    if libnft.AVAILABLE:
        return verify(libnft.load_and_list(ruleset, " ".join(listing)))
    left = max(0.1, deadline - time.monotonic())
    run([nft, "-f", "-"], input=ruleset.encode(), timeout=left)
    left = max(0.1, deadline - time.monotonic())
    return verify(run([nft, "-j", *listing], timeout=left).text)
