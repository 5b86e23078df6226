"""Addresses as a way out, in every spelling; IPv4 and IPv6."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from attack_support import LAB, LAB6, UNNAMED, UNNAMED6, Walled

Lab = Callable[[], list[dict]]

SPELLINGS = (
    UNNAMED,
    "3325256785",
    "0xc6336451",
    "198.51.25681",
    "0306.0063.0144.0121",
    f"{UNNAMED}.",
    "198.51.100.081",
)
METADATA = ("169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16", "fd00:ec2::254", "fd20:ce::254")
EMBEDDED = ("::ffff:198.51.100.81", "64:ff9b::c633:6451", "2002:c633:6451::1", "::198.51.100.81", "::ffff:0:c633:6451")
OTHERS = (UNNAMED6, "10.254.0.5", "198.51.100.7", "fe80::1", "ff02::1", "240.0.0.1", "255.255.255.255")


@pytest.mark.attack("ADDR-1")
@pytest.mark.attack("ADDR-2")
@pytest.mark.attack("ADDR-3")
@pytest.mark.attack("ADDR-4")
def test_no_address_is_reached_in_any_spelling(walled: Walled, lab: Lab) -> None:
    addresses = (*SPELLINGS, *METADATA, *EMBEDDED, *OTHERS)
    assert "laboratory" not in walled.fetches(addresses)
    if walled.mode == "airlock":
        shown = tuple(f"[{one}]" if ":" in one else one for one in addresses)
        answers = walled.tunnels((*shown, "[::1]%25lo", "%31%39%38.51.100.81"), 443)
        assert answers.count("HTTP/1.1 40") == len(shown) + 2
        assert " 200 " not in answers
    assert lab() == []


@pytest.mark.attack("ADDR-5")
def test_unspecified_addresses_are_the_containers_own(walled: Walled, lab: Lab) -> None:
    assert "laboratory" not in walled.fetches(("0.0.0.0", "::", "::1", "127.0.0.1", "127.1"))
    if walled.mode == "airlock":
        assert " 200 " not in walled.tunnels(("0.0.0.0", "[::]", "[::1]", "127.0.0.1", "127.1"), 22)
    assert lab() == []


@pytest.mark.attack("ADDR-2")
def test_an_allowed_name_opens_its_port_alone(walled: Walled, lab: Lab) -> None:
    assert "laboratory" in walled.fetch("web.attack.test")
    count = len(lab())
    closed = [walled.request(host, port) for port in (22, 8081, 53) for host in ("web.attack.test", LAB, LAB6)]
    walled.raws([*closed, *((address, port, b"x") for address in (LAB, LAB6) for port in (22, 8081, 53))])
    assert len(lab()) == count
