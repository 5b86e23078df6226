"""Addresses that enter and leave the table after it was loaded, as single-line nft commands."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from terok_sandbox.shield.ruleset import layout
from terok_sandbox.shield.ruleset.render import host_elements

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from terok_sandbox.shield.policy import Service
    from terok_sandbox.shield.policy.addresses import Address

MIN_TTL: Final = 30
MAX_TTL: Final = 3600
GRACE: Final = 300
"""Seconds an address stays reachable after its answer has run out: programs keep answers longer than they may."""


@dataclass(frozen=True, slots=True)
class Learned:
    """An address that an allowed name resolved to, and the service that it is opened for."""

    address: Address
    service: Service
    override: bool
    seconds: int


def clamp_ttl(ttl: int) -> int:
    """Return the time to live that is told to the container for an answer of `ttl` seconds."""
    return max(MIN_TTL, min(MAX_TTL, ttl))


def lifetime(ttl: int, remaining: float | None = None) -> int:
    """Return how many seconds the address of an answer stays open; `remaining` is what its rule has left."""
    seconds = clamp_ttl(ttl) + GRACE
    return seconds if remaining is None else max(1, min(seconds, int(remaining)))


def set_and_key(name: str, address: Address, service: Service) -> tuple[str, str]:
    """Return which set of the family `name` holds `address` with `service`, and the element's key there."""
    if service.port is None:
        return f"{name}_any{address.version}", f"{address} . {service.protocol}"
    return f"{name}{address.version}", f"{address} . {service.protocol} . {service.port}"


def learn_command(learned: Iterable[Learned]) -> str:
    """Return one transaction that opens every address for its full time, also if it is open already or was cut.

    Kernels before 6.13 keep the old timeout of an element that is added again; removing it first is atomic here.
    """
    by_set: dict[str, dict[str, int]] = defaultdict(dict)
    cut: dict[str, dict[str, None]] = defaultdict(dict)
    for one in learned:
        name, key = set_and_key("learned_override" if one.override else "learned", one.address, one.service)
        by_set[name][key] = max(one.seconds, by_set[name].get(key, 0))
        for service in (one.service, replace(one.service, port=None)):  # or the denial was of every port
            name, key = set_and_key("cut", one.address, service)
            cut[name][key] = None
    commands = [
        f"{verb} element {layout.TABLE} {name} {{ {', '.join(keys)} }}"
        for name, keys in cut.items()
        for verb in ("add", "delete")
    ]
    for name, elements in by_set.items():
        keys = ", ".join(elements)
        timed = ", ".join(f"{key} timeout {seconds}s" for key, seconds in elements.items())
        commands += [
            f"add element {layout.TABLE} {name} {{ {keys} }}",
            f"delete element {layout.TABLE} {name} {{ {keys} }}",
            f"add element {layout.TABLE} {name} {{ {timed} }}",
        ]
    return "; ".join(commands)


def host_command(host_addresses: Sequence[str]) -> str:
    """Return one transaction that replaces the host's own addresses."""
    commands = []
    for name, elements in host_elements(host_addresses).items():
        commands.append(f"flush set {layout.TABLE} {name}")
        if elements:
            commands.append(f"add element {layout.TABLE} {name} {{ {', '.join(elements)} }}")
    return "; ".join(commands)
