"""Enter a network namespace through the user namespace that owns it.

Works from the host's own user namespace (rootless Podman's namespaces belong to children of it), from within Podman's
user namespace, and for root. Entering is one-way: the kernel refuses the way back, so only a child made for it enters.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import struct
from pathlib import Path
from typing import Final

from terok_sandbox.errors import NetnsError

_CLONE_NEWUSER: Final = 0x10000000
_CLONE_NEWNET: Final = 0x40000000
_NS_GET_USERNS: Final = 0xB701
_PR_CAP_AMBIENT: Final = 47
_PR_CAP_AMBIENT_RAISE: Final = 2
_CAP_NET_ADMIN: Final = 12
_CAPABILITY_VERSION_3: Final = 0x20080522

_libc: Final = ctypes.CDLL(None, use_errno=True)


def enter(netns_fd: int) -> None:
    """Move this single-threaded process into the namespace of *netns_fd*, for good, with CAP_NET_ADMIN there.

    The capability is made ambient, so that a tool this process executes has it too. Raises :class:`NetnsError`.
    """
    try:
        owner = fcntl.ioctl(netns_fd, _NS_GET_USERNS)
    except OSError as error:
        raise NetnsError(f"the network namespace's owner cannot be found: {error.strerror}") from error
    try:
        if not _is_current_user_namespace(owner):
            _call("enter the user namespace", _libc.setns(owner, _CLONE_NEWUSER))
    finally:
        os.close(owner)
    _call("enter the network namespace", _libc.setns(netns_fd, _CLONE_NEWNET))
    if os.geteuid() != 0:
        _raise_ambient(_CAP_NET_ADMIN)


def _is_current_user_namespace(descriptor: int) -> bool:
    mine, other = Path("/proc/self/ns/user").stat(), os.fstat(descriptor)
    return (mine.st_dev, mine.st_ino) == (other.st_dev, other.st_ino)


def _raise_ambient(capability: int) -> None:
    """Let *capability* survive an exec by a user id that is not 0 in the namespace."""
    header = ctypes.create_string_buffer(struct.pack("=Ii", _CAPABILITY_VERSION_3, 0))
    data = ctypes.create_string_buffer(24)
    _call("read the capabilities", _libc.capget(header, data))
    words = list(struct.unpack("=6I", data.raw))
    words[2] |= 1 << capability
    data = ctypes.create_string_buffer(struct.pack("=6I", *words))
    _call("set the capabilities", _libc.capset(header, data))
    arguments = [ctypes.c_ulong(value) for value in (_PR_CAP_AMBIENT_RAISE, capability, 0, 0)]
    _call("keep CAP_NET_ADMIN", _libc.prctl(_PR_CAP_AMBIENT, *arguments))


def _call(what: str, result: int) -> None:
    if result != 0:
        raise NetnsError(f"cannot {what}: {os.strerror(ctypes.get_errno())}")
