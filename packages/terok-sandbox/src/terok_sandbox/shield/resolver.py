"""What the resolver does with a query and with an upstream's answer: decisions only, no I/O.

A name that is not allowed is answered NXDOMAIN and never leaves the host. (REFUSED would be the other honest answer,
but C libraries may then ask again or wait; NXDOMAIN ends the lookup at once. The reason is in the extended DNS error.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import TYPE_CHECKING, Final, Literal

from terok_sandbox.shield import dns_wire
from terok_sandbox.shield.budget import ZoneBudget
from terok_sandbox.shield.dns_wire import Answer, MalformedQueryError, Question
from terok_sandbox.shield.ruleset import Learned, lifetime
from terok_sandbox.shield.ruleset.learned import clamp_ttl
from terok_sandbox.shield.wall import NO_NAME, is_local

if TYPE_CHECKING:
    from terok_sandbox.shield.policy import Decision, Grant
    from terok_sandbox.shield.policy.addresses import Address
    from terok_sandbox.shield.wall import Wall

_OWN_TTL: Final = 60
REFUSED_TTL: Final = 5
"""Seconds a refusal may be kept: a person may allow the name at any moment."""
_LOCAL: Final[dict[int, Address]] = {1: IPv4Address("127.0.0.1"), 28: IPv6Address("::1")}


@dataclass(frozen=True, slots=True)
class Event:
    """Something worth an audit row."""

    action: Literal["refused", "allowed", "passed"]
    name: str
    reason: str
    tier: str
    rule: str = ""
    dest: str = ""
    port: int | None = None
    proto: str = ""


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer with these bytes (`None`: stay silent). `askable` is a name that a verdict could still open."""

    wire: bytes | None
    event: Event | None = None
    askable: str | None = None


@dataclass(frozen=True, slots=True)
class Forward:
    """Ask an upstream for the addresses of a name that is allowed, or that passes by the posture."""

    question: Question
    name: str
    rdtype: int


@dataclass(frozen=True, slots=True)
class Opened:
    """An answer after judgment: what the container is told, and what must be open before it is told."""

    rcode: int
    chain: tuple[str, ...]
    addresses: tuple[Address, ...]
    ttl: int
    learned: tuple[Learned, ...] = ()
    events: tuple[Event, ...] = ()


class Resolver:
    """Judges queries and answers by the wall in force, and rations names below wildcard zones.

    In an airlock nothing but the container's own names is answered: the egress proxy resolves.
    """

    def __init__(self, wall: Wall) -> None:
        self.wall = wall
        self._budget = ZoneBudget()

    def judge(self, wire: bytes, *, tick: float, now: datetime | None = None, tcp: bool = False) -> Reply | Forward:
        """Decide about a query; `tick` is a monotonic clock in seconds."""
        try:
            question = dns_wire.read_question(wire)
        except MalformedQueryError as error:
            return Reply(error.reply)
        name, rdtype = question.name, question.rdtype
        if name is None:
            return _refuse(question, NO_NAME, tcp=tcp)
        if is_local(name):
            address = _LOCAL.get(rdtype)
            local = (address,) if address else ()
            return Reply(dns_wire.write_reply(question, addresses=local, ttl=_OWN_TTL, tcp=tcp))
        named = self.wall.resolves(name, now=now)
        if name.endswith(".arpa"):
            return Reply(dns_wire.write_reply(question, dns_wire.NXDOMAIN, ttl=_OWN_TTL, tcp=tcp))
        if not named.decision.allowed:
            asks = name if named.decision.tier == "default" and rdtype in dns_wire.ADDRESS_TYPES else None
            return _refuse(question, named.decision, askable=asks, tcp=tcp)
        if rdtype not in dns_wire.ADDRESS_TYPES:
            return Reply(dns_wire.write_reply(question, ttl=_OWN_TTL, tcp=tcp))
        if named.zone is not None and (reason := self._budget.refusal(name, named.zone, tick)):
            late = replace(named.decision, verdict="deny", reason=reason)
            return _refuse(question, late, rcode=dns_wire.SERVFAIL, tcp=tcp)
        return Forward(question, name, rdtype)

    def open(self, forward: Forward, answer: Answer, *, now: datetime | None = None) -> Opened:
        """Judge an upstream's answer: strip what is closed, and say what to open for the rest.

        The name is judged once more: a denial may have come while the upstream took its time.
        """
        now = now or datetime.now(UTC)
        if self.wall.open:
            passed = self._passed(forward.name, answer.addresses)
            return Opened(answer.rcode, answer.chain, answer.addresses, clamp_ttl(0), events=passed)
        policy = self.wall.policy
        grants = policy.grants(forward.name, now=now)
        refusal = policy.refused_alias(answer.chain, now=now)
        if not grants and refusal is None:
            decision = self.wall.resolves(forward.name, now=now).decision
            if decision.allowed:
                return self._pass(forward, answer, now)
            refusal = decision
        if refusal is not None:
            event = Event("refused", forward.name, refusal.reason, refusal.tier, refusal.rule)
            return Opened(dns_wire.NXDOMAIN, (), (), REFUSED_TTL, events=(event,))
        kept: list[Address] = []
        learned: list[Learned] = []
        events: list[Event] = []
        for address in answer.addresses:
            verdicts = [(grant, policy.judge_answer(grant, address, now=now)) for grant in grants]
            allowed = [(grant, verdict) for grant, verdict in verdicts if verdict.allowed]
            worst = self.wall.answer(forward.name, address, None, now=now)
            if not worst.allowed:
                events.append(Event("refused", forward.name, worst.reason, worst.tier, worst.rule, str(address)))
                continue
            kept.append(address)
            learned += [
                self._learn(grant, address, answer.ttl, now) for grant, verdict in allowed if _by(grant, verdict)
            ]
        if kept:
            rule = grants[0].rule
            reason = rule.reason or f"{rule.tier} rule"
            events.append(Event("allowed", forward.name, reason, rule.tier, rule.line, ", ".join(map(str, kept))))
        ttl = clamp_ttl(answer.ttl)
        return Opened(answer.rcode, answer.chain, tuple(kept), ttl, tuple(learned), tuple(events))

    def _pass(self, forward: Forward, answer: Answer, now: datetime) -> Opened:
        """Let through what no rule allows, except what a rule or the floor closes; nothing is opened for later."""
        judged = [(one, self.wall.answer(forward.name, one, None, now=now)) for one in answer.addresses]
        kept = tuple(one for one, decision in judged if decision.allowed)
        stripped = tuple(
            Event("refused", forward.name, decision.reason, decision.tier, decision.rule, str(one))
            for one, decision in judged
            if one not in kept
        )
        events = (*stripped, *self._passed(forward.name, kept))
        return Opened(answer.rcode, answer.chain, kept, clamp_ttl(0), events=events)

    def _passed(self, name: str, addresses: tuple[Address, ...]) -> tuple[Event, ...]:
        if not addresses:
            return ()
        reason = f"the wall is {self.wall.posture}"
        return (Event("passed", name, reason, self.wall.posture, dest=", ".join(map(str, addresses))),)

    @staticmethod
    def _learn(grant: Grant, address: Address, ttl: int, now: datetime) -> Learned:
        expires = grant.rule.expires
        remaining = (expires - now).total_seconds() if expires is not None else None
        return Learned(address, grant.service, grant.rule.tier == "override", lifetime(ttl, remaining))


def _refuse(
    question: Question,
    decision: Decision,
    *,
    rcode: int = dns_wire.NXDOMAIN,
    askable: str | None = None,
    tcp: bool,
) -> Reply:
    explain = (dns_wire.PROHIBITED, decision.reason)
    wire = dns_wire.write_reply(question, rcode, ttl=REFUSED_TTL, explain=explain, tcp=tcp)
    return Reply(wire, Event("refused", question.shown, decision.reason, decision.tier, decision.rule), askable)


def _by(grant: Grant, verdict: Decision) -> bool:
    """Whether the grant itself opens the address; else an override of the address has opened it already."""
    return verdict.tier == grant.rule.tier
