"""Verdicts and posture changes as single-line nft commands, each one transaction."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING, Final

from terok_sandbox.shield.ruleset import layout
from terok_sandbox.shield.ruleset.learned import set_and_key
from terok_sandbox.shield.ruleset.render import stage_elements

if TYPE_CHECKING:
    from collections.abc import Iterable
    from datetime import datetime

    from terok_sandbox.shield.policy import Rule, Service
    from terok_sandbox.shield.policy.addresses import Address
    from terok_sandbox.values.posture import Posture

CUT_SECONDS: Final = 86400
"""How long the flows to an address whose name was denied stay cut, unless an allowed name leads there again."""


def live_command(rules: Iterable[Rule], now: datetime) -> str:
    """Return one transaction that makes the live sets hold `rules` (tiers `live_deny` and `live_allow`)."""
    commands = []
    for stage in layout.LIVE_STAGES:
        own = [rule for rule in rules if rule.tier == stage and rule.network is not None and rule.live(now)]
        elements = stage_elements(stage, own, now)
        for name in (f"{stage}{suffix}{version}" for suffix in ("", "_any") for version in "46"):
            commands.append(f"flush set {layout.TABLE} {name}")
            if found := elements.get(name):
                commands.append(f"add element {layout.TABLE} {name} {{ {', '.join(found)} }}")
    return "; ".join(commands)


def cut_command(openings: Iterable[tuple[Address, Service]]) -> str:
    """Return one transaction that closes what was opened for names, and ends the flows there; empty for nothing."""
    by_set: dict[str, dict[str, None]] = defaultdict(dict)
    for address, service in openings:
        for name in ("learned", "learned_override", "cut"):
            one, key = set_and_key(name, address, service)
            by_set[one][key] = None
    commands = []
    for name, keys in by_set.items():
        joined = ", ".join(keys)
        commands.append(f"add element {layout.TABLE} {name} {{ {joined} }}")
        commands.append(f"delete element {layout.TABLE} {name} {{ {joined} }}")
        if name.startswith("cut"):
            timed = ", ".join(f"{key} timeout {CUT_SECONDS}s" for key in keys)
            commands.append(f"add element {layout.TABLE} {name} {{ {timed} }}")
    return "; ".join(commands)


def forget_command() -> str:
    """Return one transaction that closes everything that names have opened."""
    names = [f"{name}{suffix}{version}" for name in _LEARNED for suffix in ("", "_any") for version in "46"]
    return "; ".join(f"flush set {layout.TABLE} {name}" for name in names)


def posture_command(posture: Posture) -> str:
    """Return one transaction that changes the posture."""
    commands = []
    for chain, rules in layout.posture_chains(posture).items():
        commands.append(f"flush chain {layout.TABLE} {chain}")
        commands += [f"add rule {layout.TABLE} {chain} {rule.text}" for rule in rules]
    return "; ".join(commands)


_LEARNED: Final = ("learned", "learned_override", "cut")
