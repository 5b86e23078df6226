"""Decisions over a tier stack.

The first tier with a matching rule decides; inside a tier a deny rule wins::

    floor > host addresses > live_deny > override > security_deny > resolver ports > private ranges
          > provider_allow > project_allow > live_allow > deny

A name is judged by its rules alone, and each address it resolves to once more (`Policy.judge_answer`), so that an
allowed name cannot lead to an address that is closed.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Literal

from terok_sandbox.shield.errors import SpellingError
from terok_sandbox.shield.policy.addresses import Address, floor_reason, is_private, judged_as, parse_address
from terok_sandbox.shield.policy.grammar import LAUNCH_TIERS, TIERS, PolicyRule, Service, Tier, parse_tier
from terok_sandbox.shield.policy.names import check_name, is_floor_name, parents
from terok_sandbox.sidecar import PolicyTiers

Layer = Literal["floor", "resolver", "private", "quarantine", "default"] | Tier

RESOLVER_PORTS: Final = (53, 853, 5353, 5355)
"""DNS, DNS over TLS or QUIC, mDNS, LLMNR: only an override opens another resolver than ours."""


@dataclass(frozen=True, slots=True)
class Decision:
    """A decision: its tier, its rule line, a reason fit for a person; names below the wildcard `zone` are rationed."""

    verdict: Literal["allow", "deny"]
    reason: str
    tier: Layer
    rule: str = ""
    zone: str = ""

    @property
    def allowed(self) -> bool:
        """Whether the decision is `allow`."""
        return self.verdict == "allow"


@dataclass(frozen=True, slots=True)
class Grant:
    """A service that one rule opens for a name."""

    service: Service
    rule: PolicyRule


class _TierIndex:
    """The rules of one tier by exact name, wildcard base and network: fast with many thousand lines."""

    def __init__(self, rules: Iterable[PolicyRule]) -> None:
        self._names: dict[str, list[PolicyRule]] = defaultdict(list)
        self._wildcards: dict[str, list[PolicyRule]] = defaultdict(list)
        self._networks: dict[tuple[int, int], dict[int, list[PolicyRule]]] = defaultdict(lambda: defaultdict(list))
        for rule in rules:
            if rule.network is not None:
                key = (rule.network.version, rule.network.prefixlen)
                self._networks[key][int(rule.network.network_address)].append(rule)
            elif rule.name is not None:
                (self._wildcards if rule.wildcard else self._names)[rule.name].append(rule)

    def for_name(self, name: str) -> list[PolicyRule]:
        """Return the rules for `name`, the most specific first."""
        rules = list(self._names.get(name, ()))
        if self._wildcards:
            for parent in parents(name):
                rules += self._wildcards.get(parent, ())
        return rules

    def for_address(self, address: Address) -> list[PolicyRule]:
        """Return the rules whose network holds `address`."""
        number, bits = int(address), address.max_prefixlen
        rules: list[PolicyRule] = []
        for (version, length), networks in self._networks.items():
            if version == address.version:
                rules += networks.get(number >> (bits - length) << (bits - length), ())
        return rules


class Policy:
    """An immutable tier stack; without rules it denies everything."""

    __slots__ = ("_tiers", "rules")

    def __init__(self, rules: tuple[PolicyRule, ...] = ()) -> None:
        self.rules = rules
        self._tiers = _index(rules, TIERS)

    @classmethod
    def from_tiers(cls, tiers: PolicyTiers) -> Policy:
        """Parse raw lines; raises `PolicyError` for one bad line, and then there is no policy at all."""
        return cls(tuple(rule for tier in LAUNCH_TIERS for rule in parse_tier(getattr(tiers, tier), tier)))

    def with_live(self, rules: Sequence[PolicyRule]) -> Policy:
        """Return this policy with `rules` as its live tiers; the other tiers' indexes are shared, not built again."""
        other = Policy()
        other.rules = (*(rule for rule in self.rules if rule.tier in LAUNCH_TIERS), *rules)
        other._tiers = self._tiers | _index(rules, (tier for tier in TIERS if tier not in LAUNCH_TIERS))
        return other

    def decide_name(
        self, name: str, port: int | None = None, protocol: str = "tcp", *, now: datetime | None = None
    ) -> Decision:
        """Judge a name for one port, or with `port=None` for "may it be resolved at all"."""
        now = now or datetime.now(UTC)
        if refused := _refused_name(name):
            return refused
        for grant in self.grants(name, now=now):
            if port is None or grant.service.covers(protocol, port):
                closed = port in RESOLVER_PORTS and grant.rule.tier != "override"
                return _RESOLVER if closed else _by_rule(grant.rule)
        matching = self._matching_name(name)
        for rule in matching:
            if not rule.allow and rule.live(now) and (port is None or _covers(rule, protocol, port)):
                return _by_rule(rule)
        return _RESOLVER if port in RESOLVER_PORTS else _default(matching, now)

    def decide_address(
        self, address: Address | str, port: int, protocol: str = "tcp", *, now: datetime | None = None
    ) -> Decision:
        """Judge an address that was dialled without a name. The host's own addresses are the ruleset's business."""
        now = now or datetime.now(UTC)
        if isinstance(address, str):
            try:
                address = parse_address(address)
            except SpellingError as error:
                return Decision("deny", error.message, "floor")
        if reason := floor_reason(address):
            return Decision("deny", reason, "floor")
        matching = self._matching_address(address)
        live = [rule for rule in matching if rule.live(now) and _covers(rule, protocol, port)]
        for tier in TIERS:
            if tier == "provider_allow" and port in RESOLVER_PORTS:
                return _RESOLVER
            if tier == "provider_allow" and is_private(address):
                return Decision("deny", "private address: only an override opens it", "private")
            if rule := min((rule for rule in live if rule.tier == tier), key=lambda rule: rule.allow, default=None):
                return _by_rule(rule)
        return _default(matching, now)

    def matching(self, host: str) -> list[PolicyRule]:
        """Return every rule about a name or address, strongest tier first, whatever its ports and expiry."""
        try:
            return self._matching_address(parse_address(host))
        except SpellingError:
            return self._matching_name(host)

    def grants(self, name: str, *, now: datetime | None = None) -> tuple[Grant, ...]:
        """Return what is open for a name, strongest tier first, without a grant of all ports that a deny rule cuts."""
        now = now or datetime.now(UTC)
        if _refused_name(name):
            return ()
        grants: dict[Service, Grant] = {}
        denied: list[Service] = []
        live = [rule for rule in self._matching_name(name) if rule.live(now)]
        for tier in TIERS:
            rules = [rule for rule in live if rule.tier == tier]
            denied += [service for rule in rules if not rule.allow for service in rule.services]
            for rule in rules:
                for service in rule.services if rule.allow else ():
                    if not any(service.overlaps(other) for other in denied):
                        grants.setdefault(service, Grant(service, rule))
        return tuple(grants.values())

    def judge_answer(self, grant: Grant, address: Address, *, now: datetime | None = None) -> Decision:
        """Judge an address that a granted name resolved to: whether it may be dialled on the granted service."""
        now = now or datetime.now(UTC)
        if reason := floor_reason(address):
            return Decision("deny", reason, "floor")
        live = [rule for rule in self._matching_address(address) if rule.live(now)]
        overlapping = [rule for rule in live if any(grant.service.overlaps(own) for own in rule.services)]
        # A person's denial beats every opening, overrides included.
        if denied := next((rule for rule in overlapping if rule.tier == "live_deny"), None):
            return _by_rule(denied)
        if grant.rule.tier == "override":
            return _by_rule(grant.rule)
        for rule in overlapping:
            if rule.tier == "override" and any(own.contains(grant.service) for own in rule.services):
                return _by_rule(rule)
        for rule in overlapping:
            if not rule.allow and TIERS.index(rule.tier) <= TIERS.index(grant.rule.tier):
                return _by_rule(rule)
        if is_private(address):
            return Decision("deny", "private address: only an override opens it", "private")
        return _by_rule(grant.rule)

    def refused_alias(self, chain: Iterable[str], *, now: datetime | None = None) -> Decision | None:
        """Return why an answer that leads through the names of `chain` is refused: one is closed on purpose."""
        for name in chain:
            decision = self.decide_name(name, now=now)
            if is_floor_name(name) or decision.tier in ("live_deny", "security_deny"):
                return replace(decision, reason=f"an alias of {name}: {decision.reason}")
        return None

    def _matching_name(self, name: str) -> list[PolicyRule]:
        return [rule for tier in TIERS for rule in self._tiers[tier].for_name(name)]

    def _matching_address(self, address: Address) -> list[PolicyRule]:
        # A rule for an IPv4 address must hold for its NAT64 form, by which IPv6-only hosts reach it.
        forms = dict.fromkeys((address, judged_as(address)))
        return [rule for tier in TIERS for form in forms for rule in self._tiers[tier].for_address(form)]


_RESOLVER: Final = Decision("deny", "another resolver: only an override opens it", "resolver")


def _index(rules: Sequence[PolicyRule], tiers: Iterable[Tier]) -> dict[Tier, _TierIndex]:
    return {tier: _TierIndex([rule for rule in rules if rule.tier == tier]) for tier in tiers}


def _refused_name(name: str) -> Decision | None:
    try:
        check_name(name)
    except SpellingError as error:
        return Decision("deny", error.message, "floor")
    if is_floor_name(name):
        return Decision("deny", "a name of the machine itself or of cloud metadata", "floor")
    return None


def _covers(rule: PolicyRule, protocol: str, port: int) -> bool:
    return any(service.covers(protocol, port) for service in rule.services)


def _by_rule(rule: PolicyRule) -> Decision:
    return Decision("allow" if rule.allow else "deny", rule.reason or f"{rule.tier} rule", rule.tier, rule.line)


def _default(matching: Sequence[PolicyRule], now: datetime) -> Decision:
    """Deny because nothing opens it, and say what nearly did."""
    allows = [rule for rule in matching if rule.allow]
    if expired := next((rule for rule in allows if not rule.live(now)), None):
        return Decision("deny", "the rule that allowed it has expired", "default", expired.line)
    if allows:
        ports = ", ".join(dict.fromkeys(str(service) for rule in allows for service in rule.services))
        return Decision("deny", f"allowed only for {ports}", "default", allows[0].line)
    return Decision("deny", "no rule allows it", "default")
