from __future__ import annotations

from datetime import UTC, datetime
from ipaddress import ip_address

import dns.edns
import dns.message
import dns.rcode
import pytest
from terok_sandbox.shield.dns_wire import Answer
from terok_sandbox.shield.live_store import LiveVerdict
from terok_sandbox.shield.policy import Policy
from terok_sandbox.shield.resolver import Forward, Reply, Resolver
from terok_sandbox.shield.wall import Wall
from terok_sandbox.sidecar import PolicyTiers

NOW = datetime(2029, 12, 31, 23, 59, tzinfo=UTC)
TIERS = PolicyTiers(
    override=('+ db.corp.example:5432 %reason="lab" %expires=2030-01-01T00:00:00Z',),
    security_deny=("- api.vendor.example",),
    project_allow=("+ www.example.com", "+ *.wild.example.com"),
)


@pytest.fixture
def resolver() -> Resolver:
    return Resolver(Wall(Policy.from_tiers(TIERS)))


def ask(resolver: Resolver, name: str, rdtype: str = "A", **options: object) -> Reply | Forward:
    query = dns.message.make_query(name, rdtype, use_edns=0)
    return resolver.judge_query(query.to_wire(), tick=0.0, now=NOW, **options)  # type: ignore[arg-type]


def reply(outcome: Reply | Forward) -> dns.message.Message:
    assert isinstance(outcome, Reply)
    assert outcome.wire is not None
    return dns.message.from_wire(outcome.wire)


@pytest.mark.attack("DNS-1")
@pytest.mark.parametrize("rdtype", ["A", "AAAA", "TXT", "NULL", "HTTPS", "ANY", "MX", "SRV"])
@pytest.mark.parametrize("name", ["evil.example", "secret-data.www.example.com", "api.vendor.example", "example.com"])
def test_a_name_that_is_not_allowed_never_goes_upstream(resolver: Resolver, name: str, rdtype: str) -> None:
    outcome = ask(resolver, name, rdtype)
    answer = reply(outcome)
    assert answer.rcode() == dns.rcode.NXDOMAIN
    assert any(isinstance(option, dns.edns.EDEOption) for option in answer.options)
    assert isinstance(outcome, Reply)
    assert outcome.event is not None
    assert (outcome.event.action, outcome.event.name) == ("refused", name)


@pytest.mark.attack("HTTP-12")
@pytest.mark.parametrize("rdtype", ["HTTPS", "SVCB", "TXT", "NULL", "ANY", "MX", "CNAME", "NS"])
def test_other_types_of_an_allowed_name_are_empty(resolver: Resolver, rdtype: str) -> None:
    answer = reply(ask(resolver, "www.example.com", rdtype))
    assert (answer.rcode(), answer.answer) == (dns.rcode.NOERROR, [])


def test_allowed_names_are_forwarded_in_lower_case(resolver: Resolver) -> None:
    outcome = ask(resolver, "WwW.Example.Com", "AAAA")
    assert isinstance(outcome, Forward)
    assert (outcome.name, outcome.rdtype) == ("www.example.com", 28)


def test_the_machine_itself_and_reverse_lookups_are_answered_here(resolver: Resolver) -> None:
    assert reply(ask(resolver, "localhost")).answer[0][0].address == "127.0.0.1"
    assert reply(ask(resolver, "a.localhost", "AAAA")).answer[0][0].address == "::1"
    assert reply(ask(resolver, "9.113.0.203.in-addr.arpa", "PTR")).rcode() == dns.rcode.NXDOMAIN


@pytest.mark.attack("DNS-2")
def test_names_below_a_wildcard_are_limited(resolver: Resolver) -> None:
    assert reply(ask(resolver, "a" * 41 + ".wild.example.com")).rcode() == dns.rcode.NXDOMAIN
    outcomes = [ask(resolver, f"n{i}.wild.example.com") for i in range(80)]
    assert sum(isinstance(outcome, Forward) for outcome in outcomes) == 60
    assert reply(outcomes[-1]).rcode() == dns.rcode.SERVFAIL


def forwarded(resolver: Resolver, name: str) -> Forward:
    outcome = ask(resolver, name)
    assert isinstance(outcome, Forward)
    return outcome


@pytest.mark.attack("DNS-3")
def test_closed_addresses_are_stripped_and_the_rest_is_opened_by_port(resolver: Resolver) -> None:
    addresses = tuple(map(ip_address, ("203.0.113.9", "10.0.0.1", "169.254.169.254", "127.0.0.1")))
    opened = resolver.judge_answer(forwarded(resolver, "www.example.com"), Answer(0, (), addresses, 5), now=NOW)
    assert opened.addresses == (ip_address("203.0.113.9"),)
    assert [(str(one.address), one.service.port, one.seconds) for one in opened.openings] == [
        ("203.0.113.9", 443, 330),
        ("203.0.113.9", 80, 330),
    ]
    assert [(event.action, event.dest) for event in opened.events] == [
        ("refused", "10.0.0.1"),
        ("refused", "169.254.169.254"),
        ("refused", "127.0.0.1"),
        ("allowed", "203.0.113.9"),
    ]
    assert opened.ttl == 30


def test_an_override_opens_private_addresses_until_it_ends(resolver: Resolver) -> None:
    answer = Answer(0, (), tuple(map(ip_address, ("10.0.0.1", "169.254.169.254"))), 3000)
    (learned,) = resolver.judge_answer(forwarded(resolver, "db.corp.example"), answer, now=NOW).openings
    assert (str(learned.address), learned.override, learned.seconds) == ("10.0.0.1", True, 60)


@pytest.mark.parametrize("target", ["api.vendor.example", "metadata.google.internal", "x.localhost", "denied.example"])
def test_an_alias_of_a_closed_name_is_refused(resolver: Resolver, target: str) -> None:
    denied = LiveVerdict("denied.example", "deny").rule()
    resolver.wall = Wall(Policy.from_tiers(TIERS).with_live([denied]))
    answer = Answer(0, ("cdn.example.net", target), (ip_address("203.0.113.9"),), 60)
    opened = resolver.judge_answer(forwarded(resolver, "www.example.com"), answer, now=NOW)
    assert (opened.rcode, opened.addresses, opened.openings) == (3, (), ())
    assert opened.events[0].action == "refused"


@pytest.mark.attack("DNS-3")
def test_an_answer_is_judged_by_the_policy_of_its_moment(resolver: Resolver) -> None:
    forward = forwarded(resolver, "www.example.com")
    answer = Answer(0, (), (ip_address("203.0.113.9"),), 60)
    denied = Policy.from_tiers(TIERS).with_live([LiveVerdict("www.example.com", "deny").rule()])
    for posture in ("up", "down"):
        resolver.wall = Wall(denied, posture)  # type: ignore[arg-type]
        opened = resolver.judge_answer(forward, answer, now=NOW)
        assert (opened.rcode, opened.addresses, opened.openings) == (dns.rcode.NXDOMAIN, (), ())
        assert opened.events[0].tier == "live_deny"


def test_malformed_queries_get_a_short_answer_or_none(resolver: Resolver) -> None:
    assert resolver.judge_query(b"\x00" * 5, tick=0).wire is None  # type: ignore[union-attr]
    assert resolver.judge_query(b"\x12\x34\x81" + bytes(9), tick=0).wire is None  # type: ignore[union-attr]
    assert reply(resolver.judge_query(b"\x12\x34" + bytes(10), tick=0)).rcode() == dns.rcode.FORMERR
