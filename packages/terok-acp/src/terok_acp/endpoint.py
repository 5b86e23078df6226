"""The socket of a daemon: one per container, only for processes of the same user."""

from __future__ import annotations

import os
import socket
import stat
import struct
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from enum import Enum
from pathlib import Path
from typing import Final

from terok_util import FileLock, LockTimeout, ensure_dir

from terok_acp.errors import EndpointBusy, EndpointError

_PATIENCE: Final = 0.2
"""Seconds in which a daemon takes a connection."""


class ACPEndpointStatus(Enum):
    """Whether a container can be reached by editors."""

    ACTIVE = "active"
    """A daemon answers."""
    READY = "ready"
    """Its agents can be reached; a daemon starts when it is needed."""
    UNSUPPORTED = "unsupported"
    """It has no agent that is signed in and speaks the protocol."""


def acp_socket_is_live(path: Path) -> bool:
    """Tell whether a daemon of this user answers at a socket."""
    try:
        connected(path).close()
    except EndpointError:
        return False
    return True


def connected(path: Path) -> socket.socket:
    """Return a blocking connection to a daemon of this user; raises EndpointError."""
    channel = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
    try:
        channel.settimeout(_PATIENCE)
        with _address(path) as address:
            channel.connect(address)
        if peer_uid(channel) != os.geteuid():
            raise EndpointError(f"what answers at {path} belongs to another user")
        channel.settimeout(None)
    except OSError as error:
        channel.close()
        raise EndpointError(f"nobody answers at {path}: {error.strerror or error}") from error
    except EndpointError:
        channel.close()
        raise
    return channel


def peer_uid(channel: socket.socket) -> int:
    """Return the user id of the process at the other end."""
    _, uid, _ = struct.unpack("=iII", channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
    return int(uid)


@contextmanager
def listening(path: Path) -> Iterator[socket.socket]:
    """Listen at a socket while the block runs, instead of whatever a killed daemon has left there.

    Raises:
        EndpointBusy: Another daemon listens there.
        EndpointError: There is something else, or the directory cannot be used.
    """
    ensure_dir(path.parent)
    try:
        with FileLock(path.with_name(f"{path.name}.lock"), timeout=0):
            _remove_stale(path)
            listener = _listener(path)
            mine = path.stat()
            try:
                yield listener
            finally:
                listener.close()
                with suppress(OSError):
                    if os.path.samestat(path.lstat(), mine):
                        path.unlink()
    except LockTimeout as error:
        raise EndpointBusy(f"another daemon serves {path}") from error


def _listener(path: Path) -> socket.socket:
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    before = os.umask(0o177)
    try:
        with _address(path) as address:
            listener.bind(address)
        listener.listen(64)
    except OSError as error:
        listener.close()
        raise EndpointError(f"cannot listen at {path}: {error.strerror}") from error
    finally:
        os.umask(before)
    return listener


def _remove_stale(path: Path) -> None:
    try:
        kind = path.lstat().st_mode
    except FileNotFoundError:
        return
    except OSError as error:
        raise EndpointError(f"cannot use {path}: {error.strerror}") from error
    if not stat.S_ISSOCK(kind):
        raise EndpointError(f"{path} is there already, and no socket", hint=f"rm {path}")
    if acp_socket_is_live(path):
        raise EndpointBusy(f"another daemon serves {path}")
    path.unlink(missing_ok=True)


@contextmanager
def _address(path: Path) -> Iterator[str]:
    """Give an address that is short enough for a socket however long the path is."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
