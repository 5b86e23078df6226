from __future__ import annotations

import socket
import struct
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.shield.nflog import BlockedPacket, drain, parse_datagram, parse_packet

TCP = struct.pack("!HH", 40000, 443) + bytes(16)


def ipv4(payload: bytes = TCP, *, proto: int = 6, fragment: int = 0, options: bytes = b"") -> bytes:
    head = struct.pack("!BBHHHBBH", 0x45 + len(options) // 4, 0, 20 + len(payload), 1, fragment, 64, proto, 0)
    return head + bytes([192, 0, 2, 1]) + bytes([203, 0, 113, 9]) + options + payload


def ipv6(payload: bytes = TCP, *, following: int = 6) -> bytes:
    head = struct.pack("!IHBB", 6 << 28, len(payload), following, 64)
    return head + ip_address("2001:db8::1").packed + ip_address("2001:db8::9").packed + payload


def attribute(kind: int, value: bytes) -> bytes:
    return struct.pack("=HH", 4 + len(value), kind) + value + bytes(-len(value) % 4)


def message(packet: bytes, prefix: bytes = b"terok default\0", kind: int = 0x400) -> bytes:
    body = bytes([2, 0, 0, 100]) + attribute(10, prefix) + attribute(1, bytes(4)) + attribute(9, packet)
    return struct.pack("=IHHII", 16 + len(body), kind, 0, 0, 0) + body


V4, V6 = ip_address("203.0.113.9"), ip_address("2001:db8::9")


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (ipv4(), (V4, 443, "tcp")),
        (ipv4(options=bytes(8)), (V4, 443, "tcp")),
        (ipv4(proto=17), (V4, 443, "udp")),
        (ipv4(b"\x08\0\0\0", proto=1), (V4, None, "icmp")),
        (ipv4(fragment=0x2003), (V4, None, "tcp")),
        (ipv4(b"\0", proto=6), (V4, None, "tcp")),
        (ipv4(proto=99), (V4, None, "protocol-99")),
        (ipv6(), (V6, 443, "tcp")),
        (ipv6(bytes([17, 0]) + bytes(6) + TCP, following=60), (V6, 443, "udp")),
        (ipv6(bytes([6, 0, 0, 1]) + bytes(4) + TCP, following=44), (V6, 443, "tcp")),
        (ipv6(bytes([6, 0, 0, 9]) + bytes(4) + TCP, following=44), (V6, None, "tcp")),
        (b"", None),
        (b"\x45" + bytes(10), None),
        (b"\x61" + bytes(30), None),
    ],
)
def test_packets(packet: bytes, expected: object) -> None:
    assert parse_packet(packet) == expected


def test_datagrams_hold_several_messages() -> None:
    data = (
        message(ipv4(), b"terok floor\0")
        + message(ipv4(), kind=3)
        + message(b"junk")
        + message(ipv6(), b"x\x1b[2J\xff")
    )
    assert list(parse_datagram(data)) == [
        BlockedPacket(V4, 443, "tcp", "floor"),
        BlockedPacket(V6, 443, "tcp", "default"),
    ]


GOOD = message(ipv4()) + message(ipv6(bytes([17, 0]) + bytes(6) + TCP, following=60))


@given(
    st.binary(max_size=200)
    | st.tuples(st.integers(0, len(GOOD) - 1), st.binary(min_size=1, max_size=8)).map(
        lambda edit: GOOD[: edit[0]] + edit[1] + GOOD[edit[0] + len(edit[1]) :]
    )
)
def test_any_bytes_are_read_without_an_error(data: bytes) -> None:
    for packet in parse_datagram(data):
        assert packet.reason
        assert packet.port is None or 0 <= packet.port <= 65535


def test_only_the_kernel_is_believed() -> None:
    link = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 2)  # any protocol of which this user may be a sender
    other = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, 2)
    with link, other:
        link.bind((0, 0))
        link.setblocking(False)
        assert list(drain(link)) == []
        try:
            other.sendto(message(ipv4()), link.getsockname())
        except PermissionError:
            return  # the kernel keeps users from sending to each other at all
        assert list(drain(link)) == []
