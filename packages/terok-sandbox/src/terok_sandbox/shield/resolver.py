"""Decisions of the resolver about queries and upstreams' answers. No I/O.

A name that is not allowed is answered NXDOMAIN and never leaves the host. (REFUSED would be the other honest answer,
but C libraries may then ask again or wait; NXDOMAIN ends the lookup at once. The reason is in the extended DNS error.)
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv6Address
from typing import Final, Literal

from terok_sandbox.shield import dns_wire
from terok_sandbox.shield.dns_wire import Answer, MalformedQueryError, Question
from terok_sandbox.shield.policy import Decision
from terok_sandbox.shield.policy.addresses import Address
from terok_sandbox.shield.ruleset.commands import Opening, clamp_ttl, lifetime
from terok_sandbox.shield.wall import NO_NAME, Wall, is_local
from terok_sandbox.shield.wildcard_limits import WildcardLimits

_OWN_TTL: Final = 60
REFUSED_TTL: Final = 5
"""Seconds a client may keep a refusal, which is short because a person may allow the name at any moment."""
_LOCAL: Final[dict[int, Address]] = {1: IPv4Address("127.0.0.1"), 28: IPv6Address("::1")}


@dataclass(frozen=True, slots=True)
class Event:
    """A decision that is worth an audit row."""

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
class JudgedAnswer:
    """An answer for the container, and the addresses that must be open before it leaves."""

    rcode: int
    chain: tuple[str, ...]
    addresses: tuple[Address, ...]
    ttl: int
    openings: tuple[Opening, ...] = ()
    events: tuple[Event, ...] = ()


class Resolver:
    """Judges queries and answers by the wall in force, and rations names below wildcard zones."""

    def __init__(self, wall: Wall) -> None:
        self.wall = wall
        self._limits = WildcardLimits()

    def judge_query(
        self, wire: bytes, *, tick: float, now: datetime | None = None, tcp: bool = False
    ) -> Reply | Forward:
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
        decision = self.wall.decide_lookup(name, now=now)
        # Reverse lookups are common and harmless: no audit row, no question to a person.
        if name.endswith(".arpa"):
            return Reply(dns_wire.write_reply(question, dns_wire.NXDOMAIN, ttl=_OWN_TTL, tcp=tcp))
        if not decision.allowed:
            askable = name if decision.tier == "default" and rdtype in dns_wire.ADDRESS_TYPES else None
            return _refuse(question, decision, askable=askable, tcp=tcp)
        # Addresses are all that a connection needs; other records could carry data.
        if rdtype not in dns_wire.ADDRESS_TYPES:
            return Reply(dns_wire.write_reply(question, ttl=_OWN_TTL, tcp=tcp))
        if decision.zone and (reason := self._limits.refuse_name(name, decision.zone, tick)):
            return _refuse(question, replace(decision, verdict="deny", reason=reason), rcode=dns_wire.SERVFAIL, tcp=tcp)
        return Forward(question, name, rdtype)

    def judge_answer(self, forward: Forward, answer: Answer, *, now: datetime | None = None) -> JudgedAnswer:
        """Strip closed addresses from an upstream's answer, and open the rest, unless the name was denied meanwhile."""
        now = now or datetime.now(UTC)
        if self.wall.open:
            passed = self._passed(forward.name, answer.addresses)
            return JudgedAnswer(answer.rcode, answer.chain, answer.addresses, clamp_ttl(0), events=passed)
        policy = self.wall.policy
        grants = policy.grants(forward.name, now=now)
        refusal = policy.refused_alias(answer.chain, now=now)
        if not grants and refusal is None:
            decision = self.wall.decide_lookup(forward.name, now=now)
            if decision.allowed:
                # No rule allows it, but the posture: nothing is opened for later.
                kept, events = self._strip(forward, answer, now)
                events += self._passed(forward.name, kept)
                return JudgedAnswer(answer.rcode, answer.chain, kept, clamp_ttl(0), events=tuple(events))
            refusal = decision
        if refusal is not None:
            event = Event("refused", forward.name, refusal.reason, refusal.tier, refusal.rule)
            return JudgedAnswer(dns_wire.NXDOMAIN, (), (), REFUSED_TTL, events=(event,))
        kept, events = self._strip(forward, answer, now)
        openings = []
        for address in kept:
            for grant in grants:
                decision = policy.judge_answer(grant, address, now=now)
                # Without the same tier, an override of the address has opened it already.
                if decision.allowed and decision.tier == grant.rule.tier:
                    expires = grant.rule.expires
                    left = (expires - now).total_seconds() if expires is not None else None
                    override = grant.rule.tier == "override"
                    openings.append(Opening(address, grant.service, override, lifetime(answer.ttl, left)))
        if kept:
            rule = grants[0].rule
            reason = rule.reason or f"{rule.tier} rule"
            events.append(Event("allowed", forward.name, reason, rule.tier, rule.line, ", ".join(map(str, kept))))
        return JudgedAnswer(answer.rcode, answer.chain, kept, clamp_ttl(answer.ttl), tuple(openings), tuple(events))

    def _strip(self, forward: Forward, answer: Answer, now: datetime) -> tuple[tuple[Address, ...], list[Event]]:
        kept, events = [], []
        for address in answer.addresses:
            decision = self.wall.decide_answer(forward.name, address, None, now=now)
            if decision.allowed:
                kept.append(address)
            else:
                events.append(
                    Event("refused", forward.name, decision.reason, decision.tier, decision.rule, str(address))
                )
        return tuple(kept), events

    def _passed(self, name: str, addresses: tuple[Address, ...]) -> tuple[Event, ...]:
        if not addresses:
            return ()
        reason = f"the wall is {self.wall.posture}"
        return (Event("passed", name, reason, self.wall.posture, dest=", ".join(map(str, addresses))),)


def _refuse(
    question: Question, decision: Decision, *, rcode: int = dns_wire.NXDOMAIN, askable: str | None = None, tcp: bool
) -> Reply:
    explain = (dns_wire.PROHIBITED, decision.reason)
    wire = dns_wire.write_reply(question, rcode, ttl=REFUSED_TTL, explain=explain, tcp=tcp)
    return Reply(wire, Event("refused", question.shown, decision.reason, decision.tier, decision.rule), askable)
