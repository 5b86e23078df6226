"""Addresses that nothing opens, addresses that only an override opens, and IPv4 addresses inside IPv6 ones."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import Final

from terok_sandbox.shield.errors import SpellingError

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

NAT64: Final = IPv6Network("64:ff9b::/96")
"""The well-known NAT64 prefix: a real route on IPv6-only hosts, so its addresses are judged as the IPv4 ones inside."""

FLOOR4: Final[dict[IPv4Network, str]] = {
    IPv4Network("0.0.0.0/8"): "unspecified",
    IPv4Network("100.64.0.0/10"): "carrier-grade NAT and cloud metadata",
    IPv4Network("127.0.0.0/8"): "loopback",
    IPv4Network("168.63.129.16/32"): "cloud metadata",
    IPv4Network("169.254.0.0/16"): "link-local and cloud metadata",
    IPv4Network("192.0.0.0/24"): "protocol assignments and cloud metadata",
    IPv4Network("224.0.0.0/3"): "multicast, reserved or broadcast",
}
FLOOR6: Final[dict[IPv6Network, str]] = {
    IPv6Network("::/96"): "unspecified, loopback or IPv4-compatible",
    IPv6Network("::ffff:0:0/96"): "IPv4-mapped",
    IPv6Network("::ffff:0:0:0/96"): "IPv4-translated",
    IPv6Network("64:ff9b:1::/48"): "local NAT64",
    IPv6Network("100::/64"): "discard-only",
    IPv6Network("2001::/32"): "Teredo",
    IPv6Network("2002::/16"): "6to4",
    IPv6Network("fd00:ec2::/32"): "cloud metadata",
    IPv6Network("fd20:ce::254/128"): "cloud metadata",
    IPv6Network("fe80::/10"): "link-local",
    IPv6Network("ff00::/8"): "multicast",
}
"""Transition addresses are closed whole: the IPv4 address inside would be judged by whatever host unwraps it."""

_MAPPED: Final = (*(IPv6Network(n) for n in ("::/96", "::ffff:0:0/96", "::ffff:0:0:0/96")), NAT64)

PRIVATE4: Final = tuple(IPv4Network(n) for n in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "198.18.0.0/15"))
PRIVATE6: Final = tuple(IPv6Network(n) for n in ("fc00::/7", "fec0::/10"))
"""Ranges that only an override opens."""

ISATAP_MASK: Final = 0xFDFFFFFF << 32
ISATAP_BITS: Final = 0x00005EFE << 32
"""Interface identifiers `[02]00:5efe:a.b.c.d` under any prefix: tunnels an IPv4 address, closed like the others."""


def parse_address(text: str) -> Address:
    """Return the address that `text` spells canonically; `SpellingError` for zones, brackets and all other forms."""
    try:
        if "%" in text:
            raise ValueError(text)
        return ip_address(text)
    except ValueError:
        raise SpellingError(
            f"not a canonical IP address: {text[:64]!r}", hint="write it like 192.0.2.7 or 2001:db8::7"
        ) from None


def parse_network(text: str) -> Network:
    """Return the network (or single address) that `text` spells; raises `SpellingError`."""
    base, slash, length = text.partition("/")
    address = parse_address(base)
    if not slash:
        return ip_network(address)
    if not (length.isascii() and length.isdigit() and str(int(length[:4])) == length):
        raise SpellingError(f"invalid prefix length in {text[:64]!r}", hint="write a CIDR like 192.0.2.0/24")
    try:
        return ip_network(text)
    except ValueError as error:
        raise SpellingError(f"not a network: {text[:64]!r}: {error}", hint="write a CIDR like 192.0.2.0/24") from None


def judged_as(address: Address) -> Address:
    """Return the address that policy is about: the IPv4 address inside a NAT64 one, else `address` itself."""
    if isinstance(address, IPv6Address) and address in NAT64:
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address


def nat64(network: IPv4Network) -> IPv6Network:
    """Return where an IPv6-only host reaches `network`."""
    return IPv6Network((int(NAT64.network_address) | int(network.network_address), 96 + network.prefixlen))


def embedded_ipv4(address: IPv6Address) -> IPv4Address | None:
    """Return the IPv4 address that a transition mechanism would unwrap from `address`, if any."""
    number = int(address)
    if any(address in network for network in _MAPPED) or number & ISATAP_MASK == ISATAP_BITS:
        return IPv4Address(number & 0xFFFFFFFF)
    if address.sixtofour is not None:
        return address.sixtofour
    if address.teredo is not None:
        return address.teredo[1]
    return None


def floor_reason(address: Address) -> str | None:
    """Return why nothing opens `address`, or `None`. The host's own addresses are not known here."""
    address = judged_as(address)
    if isinstance(address, IPv4Address):
        return next((f"{what} address" for network, what in FLOOR4.items() if address in network), None)
    what = next((what for network, what in FLOOR6.items() if address in network), None)
    if what is None and int(address) & ISATAP_MASK == ISATAP_BITS:
        what = "ISATAP"
    if what is None:
        return None
    inner = embedded_ipv4(address)
    return f"{what} address" + (f" around {inner}" if inner is not None and int(address) > 1 else "")


def is_private(address: Address) -> bool:
    """Whether only an override opens `address`."""
    address = judged_as(address)
    if isinstance(address, IPv4Address):
        return any(address in network for network in PRIVATE4)
    return any(address in network for network in PRIVATE6)


def floor_covers(network: Network) -> str | None:
    """Return why a rule for `network` could never take effect, or `None`."""
    if isinstance(network, IPv4Network):
        return next((what for floor, what in FLOOR4.items() if network.subnet_of(floor)), None)
    if network.subnet_of(NAT64):
        return "NAT64 (write the IPv4 address)"
    return next((what for floor, what in FLOOR6.items() if network.subnet_of(floor)), None)
