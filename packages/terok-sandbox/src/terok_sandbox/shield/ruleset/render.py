"""Policy and host addresses in, the complete `table inet terok` out, as one nft transaction."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from ipaddress import IPv4Network, collapse_addresses
from typing import Any, Final

from terok_sandbox.shield.errors import PolicyError
from terok_sandbox.shield.policy import Policy, PolicyRule
from terok_sandbox.shield.policy.addresses import (
    FLOOR4,
    FLOOR6,
    PRIVATE4,
    PRIVATE6,
    Network,
    floor_covers,
    nat64,
    parse_network,
)
from terok_sandbox.shield.ruleset import layout
from terok_sandbox.values.posture import Posture

_MAX_TIMEOUT: Final = 1000 * 86400
"""Seconds; nft reads no larger number. A rule that lives longer is rendered again at the next start."""
MAX_ELEMENTS: Final = 2000
"""Address elements of a policy that surely fit one netlink transaction of an unprivileged namespace."""

Expiry = datetime | None
Elements = dict[str, list[str]]


def render(
    policy: Policy, *, host_addresses: Sequence[str], now: datetime | None = None, posture: Posture = "up"
) -> str:
    """Return the nft commands that replace the table, in one transaction.

    `host_addresses` are all of the host's (canonical text). Rules expire at their time by themselves.
    """
    now = now or datetime.now(UTC)
    elements = base_elements(host_addresses)
    stages = _stages(policy, now)
    for stage, rules in stages.items():
        elements |= stage_elements(stage, rules, now)
    _check_size(elements)
    lines = [f"add table {layout.TABLE}", f"delete table {layout.TABLE}", f"table {layout.TABLE} {{"]
    for name, shape in layout.sets(stages).items():
        lines += [f"\tset {name} {{", *_set_body(shape, elements.get(name, [])), "\t}"]
    for name, chain in layout.chains(stages, posture).items():
        lines.append(f"\tchain {name} {{")
        if chain.hook:
            lines.append(f"\t\ttype filter hook {chain.hook} priority 0; policy drop;")
        lines += [*(f"\t\t{rule.text}" for rule in chain.rules), "\t}"]
    return "\n".join([*lines, "}", ""])


def _check_size(elements: Elements) -> None:
    count = sum(map(len, elements.values()))
    if count > MAX_ELEMENTS:
        raise PolicyError(
            f"the policy's addresses make {count} rule elements, at most {MAX_ELEMENTS} are loaded at once",
            hint="write wider networks, or names instead of addresses",
        )


def base_elements(host_addresses: Sequence[str]) -> Elements:
    """Return the elements of the sets that no policy changes."""
    return _FIXED | host_elements(host_addresses)


def host_elements(host_addresses: Sequence[str]) -> Elements:
    """Return the elements of the host sets; what the floor closes anyway is left out."""
    own = [network for network in map(parse_network, host_addresses) if floor_covers(network) is None]
    v4 = [network for network in own if isinstance(network, IPv4Network)]
    v6 = [network for network in own if not isinstance(network, IPv4Network)]
    return {"host4": _networks(v4), "host6": _networks([*v6, *map(nat64, v4)])}


def _networks(networks: Iterable[Any]) -> list[str]:
    return [str(network) for network in collapse_addresses(networks)]


def _set_body(shape: layout.SetShape, elements: list[str]) -> list[str]:
    body = [f"\t\ttype {' . '.join(shape.key)}"]
    if shape.size is not None:
        body.append(f"\t\tsize {shape.size}")
    if shape.flags:
        body.append(f"\t\tflags {','.join(sorted(shape.flags))}")
    if elements:
        body.append("\t\telements = {\n\t\t\t" + ",\n\t\t\t".join(elements) + "\n\t\t}")
    return body


def _stages(policy: Policy, now: datetime) -> dict[str, list[PolicyRule]]:
    found: dict[str, list[PolicyRule]] = defaultdict(list)
    for rule in policy.rules:
        if rule.network is not None and rule.live(now):
            whole = rule.tier in layout.STAGES[:2] or rule.tier in layout.LIVE_STAGES
            parted = f"{rule.tier.removesuffix('_allow')}_{'allow' if rule.allow else 'deny'}"
            found[rule.tier if whole else parted].append(rule)
    return {stage: found[stage] for stage in (*layout.STAGES, *layout.LIVE_STAGES) if stage in found}


def stage_elements(stage: str, rules: list[PolicyRule], now: datetime) -> Elements:
    """Return disjoint elements: the kernel refuses a set whose intervals overlap."""
    spans: dict[tuple[str, int, str], list[tuple[Network, Expiry]]] = defaultdict(list)
    for rule in rules:
        assert rule.network is not None
        for service in rule.services:
            port = "" if service.port is None else f" . {service.port}"
            reached: list[Network] = [rule.network]
            if isinstance(rule.network, IPv4Network):
                reached.append(nat64(rule.network))
            for network in reached:
                key = (f"{stage}{'' if port else '_any'}", network.version, f" . {service.protocol}{port}")
                spans[key].append((network, rule.expires))
    elements: Elements = defaultdict(list)
    for (name, version, service_text), networks in spans.items():
        for network, expiry in _disjoint(networks):
            elements[f"{name}{version}"].append(f"{network}{service_text}{_timeout(expiry, now)}")
    return elements


def _timeout(expiry: Expiry, now: datetime) -> str:
    if expiry is None:
        return ""
    return f" timeout {min(_MAX_TIMEOUT, max(1, int((expiry - now).total_seconds())))}s"


def _disjoint(networks: list[tuple[Network, Expiry]]) -> list[tuple[Network, Expiry]]:
    """Merge networks of equal expiry; where they overlap with another expiry, the longer one wins."""
    groups: dict[Expiry, list[Any]] = defaultdict(list)
    for network, expiry in networks:
        groups[expiry].append(network)
    kept: list[tuple[Any, Expiry]] = []
    forever = datetime.max.replace(tzinfo=UTC)
    # The kernel refuses overlapping intervals, so the longest-lived networks are cut out of the others.
    for expiry in sorted(groups, key=lambda one: one or forever, reverse=True):
        longer = list(kept)
        for network in collapse_addresses(groups[expiry]):
            pieces = [network]
            for other, _ in longer:
                pieces = [part for piece in pieces for part in _without(piece, other)]
            kept += [(piece, expiry) for piece in pieces]
    return kept


def _without(network: Any, hole: Any) -> list[Any]:
    if not network.overlaps(hole):
        return [network]
    return [] if network.subnet_of(hole) else list(network.address_exclude(hole))


_FIXED: Final[Elements] = {
    "floor4": _networks(FLOOR4),
    "floor6": _networks([*FLOOR6, *map(nat64, FLOOR4)]),
    "private4": _networks(PRIVATE4),
    "private6": _networks([*PRIVATE6, *map(nat64, PRIVATE4)]),
}
"""Reckoned with the module: the fork server has it, and every start needs it twice."""
