"""What the verbs say about a host is what resolver and proxy do, whatever policy, posture and spelling."""

from __future__ import annotations

import asyncio
import tempfile
from ipaddress import ip_address
from pathlib import Path
from types import SimpleNamespace
from typing import Any, get_args

import dns.message
import dns.rcode
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from terok_sandbox.audit import AuditLog
from terok_sandbox.shield.dns import DnsServer
from terok_sandbox.shield.dns_wire import Answer
from terok_sandbox.shield.egress.judge import Judge, Refused
from terok_sandbox.shield.operations import explain_name
from terok_sandbox.shield.policy import Policy
from terok_sandbox.shield.policy.engine import RESOLVER_PORTS
from terok_sandbox.shield.resolver import Forward, Resolver
from terok_sandbox.shield.sightings import Sightings
from terok_sandbox.shield.wall import Destination, Wall, is_local
from terok_sandbox.sidecar import PolicyTiers
from terok_sandbox.values.posture import Posture

OWN = ("198.51.100.80", "2001:db8:1::1", "203.0.113.8/31")
OUTSIDE = ip_address("203.0.113.200")
NAMES = [
    *("a.example.com", "b.example.com", "x.a.example.com", "example.com", "other.test", "localhost", "me.localhost"),
    *(
        "metadata.google.internal",
        "9.113.0.203.in-addr.arpa",
        "12",
        "1.2.3",
        "-a.example.com",
        "n" * 41 + ".example.com",
    ),
    *("1.2.3.4.5.6.example.com", "under_score.example.com"),
]
ADDRESSES = [
    *(
        "203.0.113.9",
        "10.0.0.9",
        "169.254.169.254",
        "2001:db8::9",
        "fd00::9",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b::cb00:7109",
    ),
    *OWN[:2],
]
PORTS = [22, 53, 80, 443, 853, 8443]
TARGETS = [
    "a.example.com",
    "b.example.com",
    "*.example.com",
    "*.a.example.com",
    "203.0.113.0/29",
    "10.0.0.0/8",
    "2001:db8::/64",
]
lines = st.builds(
    "{} {}{}".format,
    st.sampled_from("+-"),
    st.sampled_from(TARGETS[:4]),
    st.sampled_from(["", ":443", ":22", ":53", ":*"]),
) | st.builds("{} {}".format, st.sampled_from("+-"), st.sampled_from(TARGETS[4:]))
overrides = st.builds(
    '+ {} %reason="lab" %expires=2099-01-01T00:00:00Z'.format,
    st.sampled_from(["a.example.com:53", "10.0.0.0/24", "b.example.com"]),
)
policies = st.builds(
    PolicyTiers,
    override=st.lists(overrides, max_size=1).map(tuple),
    security_deny=st.lists(lines.filter(lambda line: line[0] == "-"), max_size=2).map(tuple),
    project_allow=st.lists(lines, max_size=4).map(tuple),
).map(Policy.from_tiers)
postures = st.sampled_from(get_args(Posture))


@st.composite
def spelled(draw: st.DrawFn, names: list[str]) -> tuple[str, str]:
    """Give a name and one of its spellings."""
    name = draw(st.sampled_from(names))
    upper = draw(st.integers(0, 2 ** len(name) - 1))
    text = "".join(one.upper() if upper >> at & 1 else one for at, one in enumerate(name))
    return name, text + draw(st.sampled_from(["", "."]))


def query(name: str) -> bytes:
    return dns.message.make_query(name, "A").to_wire()


@pytest.mark.attack("DNS-1")
@given(policies, spelled(NAMES), st.sampled_from(PORTS), st.sampled_from(["tcp", "udp"]), postures)
@settings(deadline=None, max_examples=300)
def test_check_says_what_the_resolver_does(
    policy: Policy, name: tuple[str, str], port: int, protocol: str, posture: Posture
) -> None:
    wall = Wall(policy, posture, "filter", OWN)
    said = Destination.parse(f"{name[1]}:{port}/{protocol}").judge(wall)
    resolver = Resolver(wall)
    outcome = resolver.judge_query(query(name[0]), tick=0)
    if is_local(name[0]):
        assert said.allowed
        return
    if not isinstance(outcome, Forward):
        assert outcome.event is None or outcome.event.reason == said.reason
        assert not said.allowed
        return
    opened = resolver.judge_answer(outcome, Answer(0, (), (OUTSIDE,), 60))
    fits = [one for one in opened.openings if one.service.covers(protocol, port)]
    reached = any(one.override or port not in RESOLVER_PORTS for one in fits)
    if posture != "down" or reached:
        assert said.allowed == (reached or posture == "disengaged")


@pytest.mark.attack("ADDR-1")
@given(
    policies, spelled(NAMES) | st.sampled_from(ADDRESSES).map(lambda one: (one, one)), st.sampled_from(PORTS), postures
)
@settings(deadline=None, max_examples=300)
def test_check_says_what_the_proxy_does(policy: Policy, host: tuple[str, str], port: int, posture: Posture) -> None:
    live: Any = SimpleNamespace(policy=policy, lasting=policy, posture=posture)

    class Upstream:
        async def query(self, name: str, rdtype: int) -> Answer:
            del name
            return Answer(0, (), (OUTSIDE,) if rdtype == 1 else (), 60)

    shown = f"[{host[1]}]" if ":" in host[1] else host[1]
    said = Destination.parse(f"{shown}:{port}").judge(Wall(policy, posture, "airlock", OWN))
    judge = Judge(live, Upstream(), lambda: OWN)  # type: ignore[arg-type]
    try:
        asyncio.run(judge.admit(host[0], port))
    except Refused as refused:
        assert (said.allowed, said.reason) == (False, refused.decision.reason)
    else:
        assert said.allowed


@pytest.mark.attack("DNS-3")
@given(
    policies,
    st.sampled_from([name for name in NAMES if "_" not in name]),
    postures,
    st.lists(st.sampled_from([one for one in ADDRESSES if ":" not in one]), unique=True),
    st.sampled_from([(), ("b.example.com",), ("metadata.google.internal",)]),
)
@settings(deadline=None, max_examples=200)
def test_resolve_says_what_the_container_is_told(
    policy: Policy, name: str, posture: Posture, addresses: list[str], chain: tuple[str, ...]
) -> None:
    class World:
        async def query(self, name: str, rdtype: int) -> Answer:
            del name
            return Answer(0, chain, tuple(map(ip_address, addresses)) if rdtype == 1 else (), 60)

        async def open_addresses(self, name: str, openings: object) -> None: ...

    async def both() -> None:
        world: Any = World()
        wall = Wall(policy, posture, "filter", OWN)
        with tempfile.TemporaryDirectory() as state:
            sightings = Sightings(AuditLog(Path(state) / "audit"), clock=lambda: 0.0)
            server = DnsServer(Resolver(wall), upstream=world, sightings=sightings, open_addresses=world.open_addresses)
            reply = dns.message.from_wire(await server.answer_query(query(name)) or b"")
        decision, judged = await explain_name(wall, world, name)
        if is_local(name):
            assert decision.allowed
            return
        told = [one.address for rrset in reply.answer if rrset.rdtype == 1 for one in rrset]
        assert sorted(told) == sorted(str(one) for one, each in judged if each.allowed)
        if not decision.allowed:
            assert (reply.rcode(), judged) == (dns.rcode.NXDOMAIN, [])

    asyncio.run(both())
