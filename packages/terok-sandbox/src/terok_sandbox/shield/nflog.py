"""Refused packets as the kernel reports them over NFLOG: a parser of bytes that a container has shaped, no I/O."""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from terok_sandbox.shield.policy.addresses import Address
from terok_sandbox.shield.ruleset.layout import LOG_PREFIX, PASSING, REFUSING

MAX_MESSAGE: Final = 65536
_NFLOG_PACKET: Final = (4 << 8) | 0
_PAYLOAD, _PREFIX = 9, 10
_KIND: Final = 0x3FFF  # bits of an attribute that tell its kind
_PROTOCOLS: Final = {1: "icmp", 2: "igmp", 6: "tcp", 17: "udp", 33: "dccp", 58: "icmpv6", 132: "sctp", 136: "udplite"}
_WITH_PORTS: Final = frozenset({6, 17, 33, 132, 136})
_EXTENSIONS: Final = frozenset({0, 43, 60, 135, 139, 140})
_MAX_EXTENSIONS: Final = 8

_REASONS: Final = {
    "floor": "an address that nothing opens",
    "host": "an address of the host",
    "resolver": "another resolver: only an override opens it",
    "private": "private address: only an override opens it",
    "security_deny": "denied by a security rule",
    "provider_deny": "denied by a provider rule",
    "project_deny": "denied by a project rule",
    "live_deny": "denied by a person",
    "quarantine": "the container is in quarantine",
    "down": "no rule allows it, but the wall is down",
    "disengaged": "the wall is disengaged",
    "default": "no rule allows it",
}


@dataclass(frozen=True, slots=True)
class BlockedPacket:
    """A refused packet's destination and the layer that refused it. `port` is `None` for protocols without ports."""

    dest: Address
    port: int | None
    proto: str
    layer: str

    @property
    def reason(self) -> str:
        """The reason in words."""
        return _REASONS.get(self.layer, _REASONS["default"])


def parse_datagram(data: bytes) -> Iterator[BlockedPacket]:
    """Yield the refused packets of one netlink datagram; what cannot be read is left out."""
    for kind, body in _records(data, "=IH", 16):
        if kind != _NFLOG_PACKET:
            continue
        prefix, payload = b"", b""
        for attribute, value in _records(body[4:], "=HH", 4):
            if attribute & _KIND == _PREFIX:
                prefix = value
            elif attribute & _KIND == _PAYLOAD:
                payload = value
        if (packet := parse_packet(payload)) is not None:
            layer = prefix.split(b"\0")[0].decode("ascii", "replace").removeprefix(LOG_PREFIX)
            yield BlockedPacket(*packet, layer if layer in (*REFUSING, *PASSING) else "default")


def _records(data: bytes, lengths: str, header: int) -> Iterator[tuple[int, bytes]]:
    at = 0
    while at + header <= len(data):
        length, kind = struct.unpack_from(lengths, data, at)
        if length < header or at + length > len(data):
            return
        yield kind, data[at + header : at + length]
        at += length + (-length % 4)


def parse_packet(packet: bytes) -> tuple[Address, int | None, str] | None:
    """Return destination, destination port and protocol of an IPv4 or IPv6 packet, `None` if it is neither."""
    version = packet[0] >> 4 if packet else 0
    if version == 4 and len(packet) >= 20 and (packet[0] & 15) >= 5:
        dest: Address = IPv4Address(packet[16:20])
        first = int.from_bytes(packet[6:8], "big") & 0x1FFF == 0
        return _with_port(dest, packet[9], packet[(packet[0] & 15) * 4 :] if first else b"")
    if version == 6 and len(packet) >= 40:
        dest = IPv6Address(packet[24:40])
        number, rest = _skip_extensions(packet[6], packet[40:])
        return _with_port(dest, number, rest)
    return None


def _with_port(dest: Address, number: int, rest: bytes) -> tuple[Address, int | None, str]:
    port = int.from_bytes(rest[2:4], "big") if number in _WITH_PORTS and len(rest) >= 4 else None
    return dest, port, _PROTOCOLS.get(number, f"protocol-{number}")


def _skip_extensions(number: int, rest: bytes) -> tuple[int, bytes]:
    for _ in range(_MAX_EXTENSIONS):
        if number == 44 and len(rest) >= 8:
            later = int.from_bytes(rest[2:4], "big") >> 3
            number, rest = rest[0], b"" if later else rest[8:]
        elif number in _EXTENSIONS and len(rest) >= 8:
            number, rest = rest[0], rest[(rest[1] + 1) * 8 :]
        else:
            break
    return number, rest


def drain(log: socket.socket, limit: int = 64) -> Iterator[BlockedPacket]:
    """Yield what a non-blocking NFLOG socket holds now, at most `limit` datagrams."""
    for _ in range(limit):
        try:
            data, sender = log.recvfrom(MAX_MESSAGE)
        except BlockingIOError:
            return
        except OSError:  # the kernel dropped some because the reader was slow
            continue
        if sender[0] == 0:
            yield from parse_datagram(data)
