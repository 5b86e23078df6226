"""Enter a network namespace through the user namespace that owns it.

Works from the host's own user namespace (rootless Podman's namespaces belong to children of it), from within Podman's
user namespace, and for root. Entering is one-way: the kernel refuses the way back, so only a child made for it enters.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Final

from terok_sandbox import hygiene
from terok_sandbox.errors import NetnsError

_CLONE_NEWNS, _CLONE_NEWUSER, _CLONE_NEWNET = 0x20000, 0x10000000, 0x40000000
_NS_GET_USERNS: Final = 0xB701
_MS_BIND, _MS_REC, _MS_PRIVATE = 0x1000, 0x4000, 0x40000
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_RAISE = 47, 2
_CAP_NET_ADMIN, _CAP_SYS_ADMIN = 12, 21
_CAPABILITY_VERSION_3: Final = 0x20080522

_SHARE: Final = 4
_SHARED: Final = tuple(Path("/proc/sys/user", f"max_inotify_{what}") for what in ("instances", "watches"))

_libc: Final = ctypes.CDLL(None, use_errno=True)


def enter(netns_fd: int) -> None:
    """Move this single-threaded process into the namespace of `netns_fd`, for good, with ambient CAP_NET_ADMIN."""
    enter_owner(netns_fd)
    _call("enter the network namespace", _libc.setns(netns_fd, _CLONE_NEWNET))
    if os.geteuid() != 0:
        _raise_ambient(_CAP_NET_ADMIN)


def enter_owner(netns_fd: int) -> None:
    """Move this single-threaded process into the user namespace that owns `netns_fd`, with every capability there."""
    try:
        owner = fcntl.ioctl(netns_fd, _NS_GET_USERNS)
    except OSError as error:
        raise NetnsError(f"the network namespace's owner cannot be found: {error.strerror}") from error
    try:
        if not _is_current_user_namespace(owner):
            _call("enter the user namespace", _libc.setns(owner, _CLONE_NEWUSER))
    finally:
        os.close(owner)


def limit_shares() -> Callable[[], None]:
    """Return what, called in a container's user namespace, limits what the container takes of this user's watches.

    The kernel counts them by user, and user 1000 inside is this user. Where the caller's own namespace is this one, or
    the kernel has no such limits, nothing is changed.
    """
    mine = Path("/proc/self/ns/user").stat()
    shares: dict[Path, int] = {}
    for path in _SHARED:
        with suppress(OSError, ValueError):
            shares[path] = int(path.read_text()) // _SHARE

    def limit() -> None:
        now = Path("/proc/self/ns/user").stat()
        for path, share in shares.items() if (now.st_dev, now.st_ino) != (mine.st_dev, mine.st_ino) else ():
            with suppress(OSError):
                path.write_text(str(share))

    return limit


def become_uplink_by_descriptor(netns_fd: int, parent: int) -> None:
    """Become the root of the user namespace that owns `netns_fd`: on the host that is one of the subordinate ids."""
    enter_owner(netns_fd)
    os.setgroups([])
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    hygiene.die_with_parent(parent, signal.SIGKILL)


def become_uplink_by_path(netns_fd: int, parent: int, path: Path) -> None:
    """Show the namespace of `netns_fd` at `path`, an empty file, in a mount namespace of this process's own.

    For a program that closes what it inherits. It keeps the user id, so that it reaches `path`, and gets the
    capabilities with which it can enter.
    """
    enter_owner(netns_fd)
    _call("make a mount namespace", _libc.unshare(_CLONE_NEWNS))
    _call("keep mounts to itself", _libc.mount(None, b"/", None, _MS_REC | _MS_PRIVATE, None))
    source = f"/proc/self/fd/{netns_fd}".encode()
    _call("show the network namespace", _libc.mount(source, os.fsencode(path), None, _MS_BIND, None))
    if os.geteuid() != 0:
        _raise_ambient(_CAP_NET_ADMIN, _CAP_SYS_ADMIN)
    hygiene.die_with_parent(parent, signal.SIGKILL)


def _is_current_user_namespace(descriptor: int) -> bool:
    mine, other = Path("/proc/self/ns/user").stat(), os.fstat(descriptor)
    return (mine.st_dev, mine.st_ino) == (other.st_dev, other.st_ino)


def _raise_ambient(*capabilities: int) -> None:
    """Let `capabilities` survive an exec by a user id that is not 0 in the namespace."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    data = ctypes.create_string_buffer(24)
    _call("read the capabilities", _libc.capget(header, data))
    words = list(struct.unpack("=6I", data.raw))
    for capability in capabilities:
        words[2] |= 1 << capability
    data = ctypes.create_string_buffer(struct.pack("=6I", *words))
    _call("set the capabilities", _libc.capset(header, data))
    for capability in capabilities:
        arguments = [ctypes.c_ulong(value) for value in (_PR_CAP_AMBIENT_RAISE, capability, 0, 0)]
        _call("keep a capability", _libc.prctl(_PR_CAP_AMBIENT, *arguments))


def _call(what: str, result: int) -> None:
    if result != 0:
        raise NetnsError(f"cannot {what}: {os.strerror(ctypes.get_errno())}")
