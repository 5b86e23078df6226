"""Unix sockets: addresses of any length, and who is at the other end."""

from __future__ import annotations

import os
import socket
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

_NO_ID: Final = str(2**32 - 1)
_ADDRESS_LIMIT: Final = 107
"""Bytes the kernel allows."""


def peer_uid(channel: socket.socket) -> int:
    """Return the user id of the process at the other end, as seen from here; -1 for one that may be in a container."""
    pid, uid = peer(channel)
    return uid if is_in_container(pid) is False else -1


def peer(channel: socket.socket) -> tuple[int, int]:
    """Return process and user id of whoever connected, or called listen, at the other end."""
    pid, uid, _ = struct.unpack("=iII", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return pid, uid


def is_in_container(pid: int) -> bool | None:
    """Tell whether a process is in another process or user namespace than this one; `None` when it has ended.

    Podman's own user namespace, in which the hook runs, is none of a container: it maps its root to this user. Nor is
    one around this process's own, whose ids have no name here.
    """
    try:
        theirs, mine = _namespaces(str(pid)), _namespaces("self")
    except (OSError, ValueError, StopIteration):
        return None
    first = theirs[1][0] if theirs[1] else []
    outside = theirs[1] == mine[1] or first == ["0", str(os.geteuid()), "1"] or first[1:2] == [_NO_ID]
    return theirs[0] != mine[0] or not outside


def identity(path: Path) -> tuple[int, int] | None:
    """Return device and inode of a socket, None if there is none: a successor's at the same path has others."""
    try:
        info = path.stat()
    except OSError:
        return None
    return info.st_dev, info.st_ino


@contextmanager
def address(path: Path) -> Iterator[str]:
    """Give an address for `path` that fits a socket address however long the path is."""
    if len(os.fsencode(path)) <= _ADDRESS_LIMIT:
        yield str(path)
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)


def listen(path: Path, *, kind: int = socket.SOCK_SEQPACKET, mode: int = 0o600, backlog: int = 64) -> socket.socket:
    """Return a non-blocking listener at `path`, replacing a socket that is there; raises OSError."""
    listener = socket.socket(socket.AF_UNIX, kind | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        path.unlink(missing_ok=True)
        with address(path) as name:
            listener.bind(name)
        path.chmod(mode)
        listener.listen(backlog)
    except BaseException:
        listener.close()
        raise
    return listener


def connect(path: Path, *, timeout: float, kind: int = socket.SOCK_SEQPACKET) -> socket.socket:
    """Connect to the listener at `path`; raises OSError (FileNotFoundError, ConnectionError when nobody listens)."""
    channel = socket.socket(socket.AF_UNIX, kind | socket.SOCK_CLOEXEC)
    try:
        channel.settimeout(timeout)
        with address(path) as name:
            channel.connect(name)
    except BaseException:
        channel.close()
        raise
    return channel


def answers(path: Path) -> bool:
    """Tell whether somebody listens at `path`."""
    try:
        connect(path, timeout=1.0).close()
    except OSError:
        return False
    return True


def _namespaces(process: str) -> tuple[int, list[list[str]]]:
    """Return how deep in process namespaces a process is, and how its user ids are mapped: both may be read of any."""
    place = Path("/proc", process)
    depth = next(len(line.split()) for line in (place / "status").read_text().splitlines() if line.startswith("NSpid:"))
    return depth, [line.split() for line in (place / "uid_map").read_text().splitlines()]
