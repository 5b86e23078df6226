"""The addresses that are this host's own, as the kernel lists them: those of interfaces, and of the table `local`."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections.abc import AsyncIterator
from contextlib import suppress
from typing import Final

from terok_sandbox.errors import NetnsError

SETTLE: Final = 0.1  # seconds in which changes of addresses that come together are taken together

_RTM_NEWADDR, _RTM_GETADDR, _RTM_NEWROUTE, _RTM_GETROUTE = 20, 22, 24, 26
_REQUEST_DUMP, _NLMSG_ERROR, _NLMSG_DONE = 0x301, 2, 3
_IFA_ADDRESS, _IFA_LOCAL, _RTA_DST, _TABLE_LOCAL = 1, 2, 1, 255
_OWN: Final = (2, 3, 4)  # types of routes that end here: local, broadcast, anycast
_IFADDR_AND_ROUTE_GROUPS: Final = 0x10 | 0x40 | 0x100 | 0x400
_SOL_NETLINK, _GET_STRICT_CHK = 270, 12
_LENGTHS: Final[dict[int, int]] = {socket.AF_INET: 4, socket.AF_INET6: 16}


def host_addresses() -> list[str]:
    """Return this host's own addresses, and networks that it answers for as a whole, sorted; raises `NetnsError`."""
    own: set[str] = set()
    try:
        with _netlink() as route:
            route.settimeout(2)
            with suppress(OSError):  # an older kernel lists every table
                route.setsockopt(_SOL_NETLINK, _GET_STRICT_CHK, 1)
            _dump(route, _RTM_GETADDR, struct.pack("=B7x", socket.AF_UNSPEC), own)
            for family in _LENGTHS:
                _dump(route, _RTM_GETROUTE, struct.pack("=4B4B4x", family, 0, 0, 0, _TABLE_LOCAL, 0, 0, 0), own)
    except (OSError, LookupError, ValueError, struct.error) as error:
        raise NetnsError(f"the host's own addresses cannot be listed: {error}") from error
    return sorted(own)


async def address_changes() -> AsyncIterator[list[str]]:
    """Yield what `host_addresses` gives, now and whenever it may have changed; raises `NetnsError`."""
    loop = asyncio.get_running_loop()
    with _netlink(_IFADDR_AND_ROUTE_GROUPS) as changes:
        changes.setblocking(False)
        while True:
            yield host_addresses()
            with suppress(OSError):  # more changes than the queue holds
                await loop.sock_recv(changes, 1 << 16)
            await asyncio.sleep(SETTLE)
            with suppress(OSError):
                while changes.recv(1 << 16):
                    pass


def _netlink(groups: int = 0) -> socket.socket:
    try:
        route = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, 0)
        route.bind((0, groups))
    except OSError as error:
        raise NetnsError(f"the host's own addresses cannot be followed: {error}") from error
    return route


def _dump(route: socket.socket, kind: int, body: bytes, own: set[str]) -> None:
    route.send(struct.pack("=IHHII", 16 + len(body), kind, _REQUEST_DUMP, 1, 0) + body)
    while not _collect(route.recv(1 << 18), own):
        pass


def _collect(data: bytes, own: set[str]) -> bool:
    """Add what one datagram lists; returns whether it was the last."""
    while len(data) >= 16:
        length, kind, _, _, _ = struct.unpack_from("=IHHII", data)
        if kind == _NLMSG_ERROR or length < 16:
            raise OSError("the kernel refused")
        if kind == _NLMSG_DONE:
            return True
        read = {_RTM_NEWADDR: _address, _RTM_NEWROUTE: _route}.get(kind)
        if read is not None and (address := read(data[16:length])):
            own.add(address)
        data = data[(length + 3) & ~3 :]
    return False


def _address(message: bytes) -> str | None:
    by_kind = _attributes(message[8:])
    packed = by_kind.get(_IFA_LOCAL) or by_kind.get(_IFA_ADDRESS) or b""
    return str(ipaddress.ip_address(packed)) if len(packed) == _LENGTHS.get(message[0]) else None


def _route(message: bytes) -> str | None:
    family, bits, table, kind = message[0], message[1], message[4], message[7]
    packed = _attributes(message[12:]).get(_RTA_DST, b"")
    if table != _TABLE_LOCAL or kind not in _OWN or len(packed) != _LENGTHS.get(family) or bits > 8 * len(packed):
        return None
    network = ipaddress.ip_network((packed, bits), strict=False)
    return str(network.network_address) if bits == network.max_prefixlen else str(network)


def _attributes(data: bytes) -> dict[int, bytes]:
    attributes: dict[int, bytes] = {}
    while len(data) >= 4:
        length, kind = struct.unpack_from("=HH", data)
        if length < 4:
            break
        attributes[kind] = data[4:length]
        data = data[(length + 3) & ~3 :]
    return attributes
