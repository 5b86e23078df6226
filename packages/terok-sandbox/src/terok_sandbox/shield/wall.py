"""What one container may reach: its policy under its posture and enforcement. Decisions only, no I/O.

Resolver, egress proxy and the verbs that explain a verdict all ask here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Final

from terok_sandbox.shield.budget import below, shape_refusal
from terok_sandbox.shield.errors import PolicyError, SpellingError
from terok_sandbox.shield.policy import Decision
from terok_sandbox.shield.policy.addresses import judged_as, parse_address, parse_network
from terok_sandbox.shield.policy.names import folded, is_spelled

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from datetime import datetime

    from terok_sandbox.shield.policy import Grant, Policy, Rule
    from terok_sandbox.shield.policy.addresses import Address, Network
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


@dataclass(frozen=True, slots=True)
class Named:
    """The verdict on a name, and the rule that governs it where one opens it."""

    decision: Decision
    rule: Rule | None = None

    @property
    def zone(self) -> str | None:
        """The wildcard zone below which names are rationed."""
        return self.rule.name if self.rule is not None and self.rule.wildcard else None


@lru_cache(maxsize=16)
def _networks(own: tuple[str, ...]) -> tuple[Network, ...]:
    return tuple(map(parse_network, own))


def is_local(name: str) -> bool:
    """Whether a name means the container itself."""
    return name == "localhost" or name.endswith(".localhost")


@dataclass(frozen=True, slots=True)
class Wall:
    """Judges what is asked for; `own` are the host's addresses and networks, which nothing opens."""

    policy: Policy
    posture: Posture = "up"
    enforcement: Enforcement = "filter"
    own: Iterable[str] = ()

    def resolves(self, name: str, *, now: datetime | None = None) -> Named:
        """Judge a name that the container's resolver is asked for."""
        if is_local(name):
            return Named(_ITSELF)
        if name.endswith(".arpa"):
            return Named(_REVERSE)
        if self.enforcement == "airlock":
            return Named(_PROXY_ONLY)
        return self._named(name, None, now)

    def proxied(self, name: str, port: int) -> Named:
        """Judge a name that the egress proxy is asked for."""
        return self._named(name, port, None)

    def destination(self, host: str, port: int, protocol: str = "tcp", *, now: datetime | None = None) -> Decision:
        """Judge a name or address with a port; the addresses of a name are judged again by `answer`."""
        try:
            address = parse_address(host)
        except SpellingError:
            return self._name(host, port, protocol, now)
        return self._address(address, port, protocol, now)

    @property
    def open(self) -> bool:
        """Whether everything passes."""
        return self.posture == "disengaged" and self.enforcement == "filter"

    def answer(self, name: str, address: Address, port: int | None, *, now: datetime | None = None) -> Decision:
        """Judge an address of a name that may be reached, on `port` or (`None`) at all."""
        if self.owns(address):
            return self._passing(_HOST)
        verdicts = [self.policy.judge_answer(grant, address, now=now) for grant in self._grants(name, port, now)]
        if not verdicts:
            return self._passing(self.policy.decide_address(address, port or 443, now=now))
        return self._passing(next((one for one in verdicts if one.allowed), verdicts[0]))

    def opaque(self, name: str, port: int) -> bool:
        """Whether a rule lets the proxy carry to `name` what is not TLS."""
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

    def _name(self, name: str, port: int, protocol: str, now: datetime | None) -> Decision:
        if self.enforcement == "airlock":
            return self._named(name, port, now).decision if protocol == "tcp" else _TCP_ONLY
        if not is_spelled(name):
            return NO_NAME
        looked_up = self.resolves(name, now=now).decision
        if not looked_up.allowed or is_local(name):
            return looked_up
        return self._passing(self.policy.decide_name(name, port, protocol, now=now))

    def _named(self, name: str, port: int | None, now: datetime | None) -> Named:
        if self.posture == "quarantine":
            return Named(_QUARANTINE)
        decision = self.policy.decide_name(name, port, now=now)
        if not decision.allowed:
            return Named(self._passing(decision))
        grants = self._grants(name, port, now)
        rule = next((grant.rule for grant in grants if not grant.rule.wildcard), grants[0].rule)
        if rule.wildcard and rule.name is not None and (why := shape_refusal(below(name, rule.name))):
            return Named(Decision("deny", why, rule.tier, rule.line))
        return Named(decision, rule)

    def _grants(self, name: str, port: int | None, now: datetime | None) -> Sequence[Grant]:
        grants = self.policy.grants(name, now=now)
        return grants if port is None else [one for one in grants if one.service.covers("tcp", port)]

    def _address(self, address: Address, port: int, protocol: str, now: datetime | None) -> Decision:
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


@dataclass(frozen=True, slots=True)
class Destination:
    """Something to judge; without a port it is a name, and the question is whether it is resolved."""

    host: str
    port: int | None
    protocol: str = "tcp"

    @classmethod
    def parse(cls, text: str) -> Destination:
        """Read `host[:port][/protocol]`, port 443 when none is given; raises `PolicyError`."""
        match = _DESTINATION.match(text)
        if match is None or not 0 < int(match["port"] or 443) < 65536:
            raise PolicyError(
                f"{text[:80]!r} is no host and port", hint="write host.example.com:443 or [2001:db8::1]:443"
            )
        host = match["six"] or match["host"] or match["bare"]
        return cls(folded(host), int(match["port"] or 443), match["protocol"] or "tcp")

    def judge(self, wall: Wall, *, now: datetime | None = None) -> Decision:
        """Return what `wall` says about it."""
        if self.port is None:
            return wall.resolves(self.host, now=now).decision
        return wall.destination(self.host, self.port, self.protocol, now=now)

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return (
            host if self.port is None else f"{host}:{self.port}{'' if self.protocol == 'tcp' else '/' + self.protocol}"
        )
