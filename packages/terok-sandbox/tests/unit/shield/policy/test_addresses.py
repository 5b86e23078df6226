from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.shield.policy.addresses import FLOOR4, PRIVATE4, embedded_ipv4, floor_reason, is_private, nat64

FLOORED = [
    "127.0.0.1",
    "169.254.169.254",
    "0.0.0.0",
    "100.100.100.200",
    "192.0.0.192",
    "168.63.129.16",
    "224.0.0.1",
    "255.255.255.255",
]
closed_v4 = st.sampled_from([*FLOOR4, *PRIVATE4]).flatmap(
    lambda net: st.integers(int(net.network_address), int(net.broadcast_address)).map(IPv4Address)
)
EMBEDDINGS = {
    "mapped": lambda v4: 0xFFFF << 32 | v4,
    "translated": lambda v4: 0xFFFF << 48 | v4,
    "compatible": lambda v4: v4,
    "nat64": lambda v4: 0x64FF9B << 96 | v4,
    "local nat64": lambda v4: 0x64FF9B0001 << 80 | v4,
    "6to4": lambda v4: 0x2002 << 112 | v4 << 80 | 1,
    "teredo": lambda v4: 0x20010000 << 96 | 0xCB007101 << 64 | (v4 ^ 0xFFFFFFFF),
    "isatap": lambda v4: 0x20010DB8 << 96 | 0x5EFE << 32 | v4,
    "isatap, global bit": lambda v4: 0x20010DB8 << 96 | 0x02005EFE << 32 | v4,
}


@pytest.mark.attack("ADDR-4")
@pytest.mark.attack("ADDR-5")
@pytest.mark.parametrize("text", [*FLOORED, "::", "::1", "fd00:ec2::254", "fd20:ce::254", "fe80::1", "ff02::1"])
def test_the_floor_is_closed(text: str) -> None:
    assert floor_reason(ip_address(text))


@pytest.mark.parametrize(
    "text", ["192.0.2.7", "203.0.113.9", "8.8.8.8", "2001:db8::7", "2606:4700::1111", "64:ff9b::cb00:7109"]
)
def test_public_addresses_are_left_to_the_rules(text: str) -> None:
    address = ip_address(text)
    assert floor_reason(address) is None
    assert not is_private(address)


@pytest.mark.attack("ADDR-3")
@given(closed_v4, st.sampled_from(sorted(EMBEDDINGS)))
def test_no_embedding_opens_a_closed_address(v4: IPv4Address, kind: str) -> None:
    v6 = IPv6Address(EMBEDDINGS[kind](int(v4)))
    assert floor_reason(v6) or is_private(v6)
    if kind != "local nat64":  # where the address stands depends on the site's prefix
        assert embedded_ipv4(v6) == v4


@given(st.integers(0, 2**32 - 1).map(IPv4Address))
def test_the_well_known_translation_changes_no_verdict(v4: IPv4Address) -> None:
    from ipaddress import IPv4Network

    v6 = nat64(IPv4Network(v4)).network_address
    assert (floor_reason(v6), is_private(v6)) == (floor_reason(v4), is_private(v4))
