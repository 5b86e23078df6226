"""The addresses of the current network namespace, from the kernel's own listing."""

from __future__ import annotations

import ipaddress
import socket
import struct
from typing import Final

from terok_sandbox.errors import NetnsError

_RTM_GETADDR: Final = 22
_REQUEST_DUMP: Final = 0x301
_NLMSG_ERROR: Final = 2
_NLMSG_DONE: Final = 3
_IFA_ADDRESS: Final = 1
_IFA_LOCAL: Final = 2
_LENGTHS: Final[dict[int, int]] = {socket.AF_INET: 4, socket.AF_INET6: 16}


def host_addresses() -> list[str]:
    """Return every IPv4 and IPv6 address of this host's interfaces, sorted; raises :class:`NetnsError`."""
    found: set[str] = set()
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0) as route:
            route.settimeout(2)
            route.bind((0, 0))
            body = struct.pack("=B7x", socket.AF_UNSPEC)
            route.send(struct.pack("=IHHII", 16 + len(body), _RTM_GETADDR, _REQUEST_DUMP, 1, 0) + body)
            while not _collect(route.recv(1 << 18), found):
                pass
    except (OSError, IndexError, struct.error) as error:
        raise NetnsError(f"the host's own addresses cannot be listed: {error}") from error
    return sorted(found)


def _collect(data: bytes, found: set[str]) -> bool:
    """Add the addresses of one datagram; returns whether it was the last."""
    while len(data) >= 16:
        length, kind, _, _, _ = struct.unpack_from("=IHHII", data)
        if kind == _NLMSG_ERROR or length < 16:
            raise OSError("the kernel refused")
        if kind == _NLMSG_DONE:
            return True
        address = _address(data[16:length])
        if address:
            found.add(address)
        data = data[(length + 3) & ~3 :]
    return False


def _address(message: bytes) -> str | None:
    """Return the address of one ``ifaddrmsg``: the local end, also of a point-to-point link."""
    expected = _LENGTHS.get(message[0])
    by_kind: dict[int, bytes] = {}
    attributes = message[8:]
    while len(attributes) >= 4:
        length, kind = struct.unpack_from("=HH", attributes)
        if length < 4:
            break
        by_kind[kind] = attributes[4:length]
        attributes = attributes[(length + 3) & ~3 :]
    packed = by_kind.get(_IFA_LOCAL) or by_kind.get(_IFA_ADDRESS) or b""
    return str(ipaddress.ip_address(packed)) if len(packed) == expected else None
