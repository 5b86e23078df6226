"""Changes of the loaded table as single-line nft commands, each one transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final

from terok_sandbox.shield.policy.addresses import Address
from terok_sandbox.shield.policy.grammar import PolicyRule, Service
from terok_sandbox.shield.ruleset import layout
from terok_sandbox.shield.ruleset.render import host_elements, stage_elements
from terok_sandbox.values.posture import Posture

MIN_TTL: Final = 30
MAX_TTL: Final = 3600
GRACE: Final = 300
"""Seconds an address stays reachable after its TTL has expired, because programs cache answers too long."""
CUT_SECONDS: Final = 86400
"""How long the flows to an address whose name was denied stay cut, unless an allowed name leads there again."""
_LEARNED: Final = ("learned", "learned_override", "cut")


@dataclass(frozen=True, slots=True)
class Opening:
    """An address that an allowed name resolved to, and the service to open there for so many seconds."""

    address: Address
    service: Service
    override: bool
    seconds: int


def clamp_ttl(ttl: int) -> int:
    """Return the time to live to tell the container for an answer of `ttl` seconds."""
    return max(MIN_TTL, min(MAX_TTL, ttl))


def lifetime(ttl: int, remaining: float | None = None) -> int:
    """Return how many seconds the address of an answer stays open; its rule has `remaining` seconds left."""
    seconds = clamp_ttl(ttl) + GRACE
    return seconds if remaining is None else max(1, min(seconds, int(remaining)))


def open_command(openings: Iterable[Opening]) -> str:
    """Return the command that opens every address for its full time, also if it is open already or was cut.

    Kernels before 6.13 keep the old timeout of an element that is added again; removing it first is atomic here.
    """
    timeouts: dict[str, dict[str, int]] = defaultdict(dict)
    cut: dict[str, dict[str, None]] = defaultdict(dict)
    for opening in openings:
        family = "learned_override" if opening.override else "learned"
        name, key = _set_and_key(family, opening.address, opening.service)
        timeouts[name][key] = max(opening.seconds, timeouts[name].get(key, 0))
        for service in (opening.service, replace(opening.service, port=None)):  # the denial may be of every port
            name, key = _set_and_key("cut", opening.address, service)
            cut[name][key] = None
    commands = [command for name, keys in cut.items() for command in _removal(name, keys)]
    for name, elements in timeouts.items():
        timed = ", ".join(f"{key} timeout {seconds}s" for key, seconds in elements.items())
        commands += [*_removal(name, elements), f"add element {layout.TABLE} {name} {{ {timed} }}"]
    return "; ".join(commands)


def cut_command(openings: Iterable[tuple[Address, Service]]) -> str:
    """Return the command that closes what names have opened and ends the flows there; empty for nothing."""
    by_set: dict[str, dict[str, None]] = defaultdict(dict)
    for address, service in openings:
        for family in _LEARNED:
            name, key = _set_and_key(family, address, service)
            by_set[name][key] = None
    commands = []
    for name, keys in by_set.items():
        commands += _removal(name, keys)
        if name.startswith("cut"):
            timed = ", ".join(f"{key} timeout {CUT_SECONDS}s" for key in keys)
            commands.append(f"add element {layout.TABLE} {name} {{ {timed} }}")
    return "; ".join(commands)


def forget_command() -> str:
    """Return the command that closes everything that names have opened."""
    names = [f"{name}{suffix}{version}" for name in _LEARNED for suffix in ("", "_any") for version in "46"]
    return "; ".join(f"flush set {layout.TABLE} {name}" for name in names)


def verdict_command(rules: Iterable[PolicyRule], now: datetime) -> str:
    """Return the command that makes the live sets hold `rules` (tiers `live_deny` and `live_allow`)."""
    commands = []
    for stage in layout.LIVE_STAGES:
        own = [rule for rule in rules if rule.tier == stage and rule.network is not None and rule.live(now)]
        elements = stage_elements(stage, own, now)
        for name in (f"{stage}{suffix}{version}" for suffix in ("", "_any") for version in "46"):
            commands += _replacement(name, elements.get(name, []))
    return "; ".join(commands)


def posture_command(posture: Posture) -> str:
    """Return the command that changes the posture."""
    commands = []
    for chain, rules in layout.posture_chains(posture).items():
        commands.append(f"flush chain {layout.TABLE} {chain}")
        commands += [f"add rule {layout.TABLE} {chain} {rule.text}" for rule in rules]
    return "; ".join(commands)


def host_command(host_addresses: Sequence[str]) -> str:
    """Return the command that replaces the host's own addresses."""
    sets = host_elements(host_addresses).items()
    return "; ".join(command for name, elements in sets for command in _replacement(name, elements))


def _set_and_key(family: str, address: Address, service: Service) -> tuple[str, str]:
    if service.port is None:
        return f"{family}_any{address.version}", f"{address} . {service.protocol}"
    return f"{family}{address.version}", f"{address} . {service.protocol} . {service.port}"


def _removal(name: str, keys: Iterable[str]) -> list[str]:
    joined = ", ".join(keys)
    return [f"{verb} element {layout.TABLE} {name} {{ {joined} }}" for verb in ("add", "delete")]


def _replacement(name: str, elements: Sequence[str]) -> list[str]:
    fill = [f"add element {layout.TABLE} {name} {{ {', '.join(elements)} }}"] if elements else []
    return [f"flush set {layout.TABLE} {name}", *fill]
