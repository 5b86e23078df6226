from __future__ import annotations

from datetime import UTC, datetime, timedelta
from ipaddress import ip_address

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.shield.errors import PolicyError
from terok_sandbox.shield.policy import Policy, Service
from terok_sandbox.sidecar import PolicyTiers

END = datetime(2030, 1, 1, tzinfo=UTC)
NOW = END - timedelta(hours=1)
BREAK = '%reason="lab" %expires=2030-01-01T00:00:00Z'


def policy(**tiers: tuple[str, ...]) -> Policy:
    return Policy.from_tiers(PolicyTiers(**tiers))


STACK = policy(
    override=(f"+ db.corp.example:5432 {BREAK}", f"+ 10.1.0.0/16:443 {BREAK}"),
    security_deny=("- api.example.com", "- 198.51.100.0/24"),
    provider_allow=("+ *.example.com", "- 203.0.113.8", "+ 203.0.113.0/29:443"),
    project_allow=(
        "+ api.example.com",
        "+ 203.0.113.0/24:443",
        "+ files.example.net:443",
        "- bad.example.com",
        "- 203.0.113.1",
    ),
)


@pytest.mark.attack("HOST-2")
@given(st.from_regex(r"[a-z]{1,8}(\.[a-z]{1,8}){1,3}", fullmatch=True), st.integers(1, 65535), st.ip_addresses())
def test_no_rules_means_nothing_is_open(name: str, port: int, address: object) -> None:
    assert not Policy().decide_name(name, port).allowed
    assert not Policy().decide_name(name).allowed
    assert not Policy().decide_address(str(address), port).allowed


def test_one_bad_line_leaves_no_policy() -> None:
    with pytest.raises(PolicyError, match="project_allow:2"):
        policy(project_allow=("+ good.example", "+ Bad.example"))


@pytest.mark.parametrize(
    ("name", "port", "verdict", "tier"),
    [
        ("www.example.com", 443, "allow", "provider_allow"),
        ("a.b.example.com", None, "allow", "provider_allow"),
        ("www.example.com", 22, "deny", "default"),
        ("example.com", 443, "deny", "default"),
        ("notexample.com", 443, "deny", "default"),
        ("api.example.com", 443, "deny", "security_deny"),
        ("bad.example.com", 443, "allow", "provider_allow"),  # the provider's tier is asked first
        ("db.corp.example", 5432, "allow", "override"),
        ("files.example.net", 443, "allow", "project_allow"),
        ("WWW.example.com", 443, "deny", "floor"),
        ("www.example.com.", 443, "deny", "floor"),
        ("evil.test\x00.example.com", 443, "deny", "floor"),
        ("metadata.google.internal", 80, "deny", "floor"),
    ],
)
def test_names(name: str, port: int | None, verdict: str, tier: str) -> None:
    decision = STACK.decide_name(name, port, now=NOW)
    assert (decision.verdict, decision.tier) == (verdict, tier)
    assert decision.reason


@pytest.mark.parametrize(
    ("address", "port", "verdict", "tier"),
    [
        ("203.0.113.5", 443, "allow", "provider_allow"),
        ("203.0.113.1", 443, "allow", "provider_allow"),
        ("203.0.113.8", 443, "deny", "provider_allow"),
        ("203.0.113.200", 443, "allow", "project_allow"),
        ("203.0.113.200", 80, "deny", "default"),
        ("64:ff9b::cb00:71c8", 443, "allow", "project_allow"),
        ("198.51.100.7", 443, "deny", "security_deny"),
        ("10.1.2.3", 443, "allow", "override"),
        ("10.1.2.3", 80, "deny", "private"),
        ("10.2.0.1", 443, "deny", "private"),
        ("203.0.113.5", 53, "deny", "resolver"),
        ("169.254.169.254", 443, "deny", "floor"),
        ("::ffff:203.0.113.5", 443, "deny", "floor"),
        ("0x7f.1", 443, "deny", "floor"),
    ],
)
def test_addresses(address: str, port: int, verdict: str, tier: str) -> None:
    decision = STACK.decide_address(address, port, now=NOW)
    assert (decision.verdict, decision.tier) == (verdict, tier)


@pytest.mark.attack("ADDR-3")
def test_rules_of_both_families_are_about_a_nat64_address() -> None:
    one = policy(security_deny=("- 64:ff9b::/96",), project_allow=("+ 203.0.113.0/24:443",))
    assert one.decide_address("203.0.113.9", 443).allowed
    assert one.decide_address("64:ff9b::cb00:7109", 443).tier == "security_deny"
    assert policy(project_allow=("+ 203.0.113.0/24:443",)).decide_address("64:ff9b::cb00:7109", 443).allowed


def test_expiry_is_enforced() -> None:
    assert STACK.decide_address("10.1.2.3", 443, now=END).tier == "private"
    late = STACK.decide_name("db.corp.example", 5432, now=END)
    assert (late.verdict, late.reason) == ("deny", "the rule that allowed it has expired")


def test_grants_of_a_name_leave_out_what_a_stronger_tier_closes() -> None:
    one = policy(security_deny=("- a.example:80",), project_allow=("+ a.example", "+ a.example:*/udp"))
    assert [grant.service for grant in one.grants("a.example")] == [Service("tcp", 443)]
    assert one.decide_name("a.example", 80).tier == "security_deny"


@pytest.mark.attack("DNS-3")
@pytest.mark.parametrize(
    ("name", "address", "tier", "allowed"),
    [
        ("www.example.com", "203.0.113.200", "provider_allow", True),
        ("www.example.com", "10.2.0.1", "private", False),
        ("www.example.com", "10.1.0.1", "override", True),
        ("www.example.com", "127.0.0.1", "floor", False),
        ("www.example.com", "64:ff9b::7f00:1", "floor", False),
        ("www.example.com", "198.51.100.1", "security_deny", False),
        ("www.example.com", "203.0.113.8", "provider_allow", False),
        ("files.example.net", "203.0.113.1", "project_allow", False),
        ("db.corp.example", "10.2.0.1", "override", True),
        ("db.corp.example", "169.254.169.254", "floor", False),
    ],
)
def test_an_allowed_name_does_not_lead_to_a_closed_address(name: str, address: str, tier: str, allowed: bool) -> None:
    decision = STACK.judge_answer(STACK.grants(name, now=NOW)[0], ip_address(address), now=NOW)
    assert (decision.allowed, decision.tier) == (allowed, tier)
