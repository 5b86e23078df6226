"""Decides what one container may reach: its policy under its posture and enforcement. No I/O.

Resolver, egress proxy and the verbs that explain a decision all ask here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from functools import lru_cache
from typing import Final

from terok_util.values import lean_dataclass

from terok_sandbox.shield.errors import PolicyError, SpellingError
from terok_sandbox.shield.policy import Decision, Grant, Policy
from terok_sandbox.shield.policy.addresses import Address, Network, judged_as, parse_address, parse_network
from terok_sandbox.shield.policy.names import folded, is_spelled
from terok_sandbox.shield.wildcard_limits import below, shape_refusal
from terok_sandbox.values.launch import Enforcement
from terok_sandbox.values.posture import Posture

_DESTINATION: Final = re.compile(
    r"(?:\[(?P<six>[0-9a-fA-F:.]+)\]|(?P<host>[^:/\[\]]+)|(?P<bare>[0-9a-fA-F:]+))"
    r"(?::(?P<port>[0-9]{1,5}))?(?:/(?P<protocol>tcp|udp))?\Z"
)
NO_NAME: Final = Decision("deny", "not a canonical host name", "floor")
_ITSELF: Final = Decision("allow", "the container itself", "default")
_HOST: Final = Decision("deny", "an address of the host", "floor")
_REVERSE: Final = Decision("deny", "addresses are not looked up by name", "floor")
_QUARANTINE: Final = Decision("deny", "the container is in quarantine", "quarantine")
_PROXY_ONLY: Final = Decision("deny", "an airlock resolves through its proxy only", "floor")
_TCP_ONLY: Final = Decision("deny", "an airlock carries TCP only", "floor")


@lru_cache(maxsize=16)
def _networks(own: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(map(parse_network, own))


def is_local(name: str) -> bool:
    """Whether a name means the container itself."""
    return name == "localhost" or name.endswith(".localhost")


@lean_dataclass(frozen=True, slots=True)
class Wall:
    """Judges what is asked for; `own` are the host's addresses and networks, which nothing opens."""

    policy: Policy
    posture: Posture = "up"
    enforcement: Enforcement = "filter"
    own: Iterable[str] = ()

    def decide_lookup(self, name: str, *, now: datetime | None = None) -> Decision:
        """Decide about a name that the container's resolver is asked for."""
        if is_local(name):
            return _ITSELF
        if name.endswith(".arpa"):
            return _REVERSE
        if self.enforcement == "airlock":
            return _PROXY_ONLY
        return self.decide_name(name, None, now=now)

    def decide_destination(
        self, host: str, port: int, protocol: str = "tcp", *, now: datetime | None = None
    ) -> Decision:
        """Decide about a name or address with a port; each address of a name is for `decide_answer`."""
        try:
            address = parse_address(host)
        except SpellingError:
            return self._decide_named_destination(host, port, protocol, now)
        return self._decide_address(address, port, protocol, now)

    @property
    def open(self) -> bool:
        """Whether everything passes."""
        return self.posture == "disengaged" and self.enforcement == "filter"

    def decide_answer(self, name: str, address: Address, port: int | None, *, now: datetime | None = None) -> Decision:
        """Decide about an address of a name that may be reached, on `port` or (`None`) at all."""
        if self.owns(address):
            return self._passing(_HOST)
        # One grant that allows is enough: the rules open the address for that service only.
        decisions = [self.policy.judge_answer(grant, address, now=now) for grant in self._grants(name, port, now)]
        if not decisions:
            return self._passing(self.policy.decide_address(address, port or 443, now=now))
        return self._passing(next((decision for decision in decisions if decision.allowed), decisions[0]))

    def allows_opaque(self, name: str, port: int) -> bool:
        """Whether a rule lets the proxy carry a protocol other than TLS to `name`."""
        return any(grant.rule.opaque for grant in self._grants(name, port, None))

    def owns(self, address: Address) -> bool:
        """Whether an address is the host's own."""
        judged = judged_as(address)
        return any(judged in network for network in _networks(tuple(self.own)))

    def _passing(self, decision: Decision) -> Decision:
        """Let through what the policy does not allow, where the posture says so."""
        passes = decision.tier == "default" and self.posture in ("down", "disengaged")
        if decision.allowed or not (passes or self.open):
            return decision
        return Decision("allow", f"the wall is {self.posture}", "default")

    def decide_name(self, name: str, port: int | None, *, now: datetime | None = None) -> Decision:
        """Decide about a name on a TCP port, or (`None`) whether it may be resolved at all, with its zone."""
        if self.posture == "quarantine":
            return _QUARANTINE
        decision = self.policy.decide_name(name, port, now=now)
        if not decision.allowed:
            return self._passing(decision)
        grants = self._grants(name, port, now)
        rule = next((grant.rule for grant in grants if not grant.rule.wildcard), grants[0].rule)
        if not rule.wildcard or rule.name is None:
            return decision
        if reason := shape_refusal(below(name, rule.name)):
            return Decision("deny", reason, rule.tier, rule.line)
        return replace(decision, zone=rule.name)

    def _decide_named_destination(self, name: str, port: int, protocol: str, now: datetime | None) -> Decision:
        if self.enforcement == "airlock":
            return self.decide_name(name, port, now=now) if protocol == "tcp" else _TCP_ONLY
        if not is_spelled(name):
            return NO_NAME
        # A name must be resolved before it is reached, so a refused lookup decides.
        lookup = self.decide_lookup(name, now=now)
        if not lookup.allowed or is_local(name):
            return lookup
        return self._passing(self.policy.decide_name(name, port, protocol, now=now))

    def _grants(self, name: str, port: int | None, now: datetime | None) -> Sequence[Grant]:
        grants = self.policy.grants(name, now=now)
        return grants if port is None else [grant for grant in grants if grant.service.covers("tcp", port)]

    def _decide_address(self, address: Address, port: int, protocol: str, now: datetime | None) -> Decision:
        if self.enforcement == "filter":
            if address.is_loopback:
                return _ITSELF
        elif protocol != "tcp":
            return _TCP_ONLY
        if self.posture == "quarantine":
            return _QUARANTINE
        decision = self.policy.decide_address(address, port, protocol, now=now)
        if self.owns(address) and decision.tier != "floor":
            decision = _HOST
        return self._passing(decision)


@lean_dataclass(frozen=True, slots=True)
class Destination:
    """A host to judge; without a port it is a name, and the question is whether it may be resolved."""

    host: str
    port: int | None
    protocol: str = "tcp"

    @classmethod
    def parse(cls, text: str) -> Destination:
        """Read `host[:port][/protocol]`, port 443 when none is given; raises `PolicyError`."""
        match = _DESTINATION.match(text)
        if match is None or not 0 < int(match["port"] or 443) < 65536:
            raise PolicyError(
                f"not a host and port: {text[:80]!r}", hint="write host.example.com:443 or [2001:db8::1]:443"
            )
        host = match["six"] or match["host"] or match["bare"]
        return cls(folded(host), int(match["port"] or 443), match["protocol"] or "tcp")

    def judge(self, wall: Wall, *, now: datetime | None = None) -> Decision:
        """Return the decision of `wall` about it."""
        if self.port is None:
            return wall.decide_lookup(self.host, now=now)
        return wall.decide_destination(self.host, self.port, self.protocol, now=now)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            host if self.port is None else f"{host}:{self.port}{'' if self.protocol == 'tcp' else '/' + self.protocol}"
        )
