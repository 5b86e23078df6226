"""The table's sets, chains and rules as data: rendering prints it, verification compares it.

Order in `output` is the tier stack of the policy engine. Each rule carries its shape, which must be
recognizable in `nft -j list`: its matches, the sets it refers to, the log group and the verdict.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

from terok_sandbox.shield.policy.engine import RESOLVER_PORTS
from terok_sandbox.values.posture import Posture

TABLE: Final = "inet terok"
LOG_GROUP: Final = 100
LOG_PREFIX: Final = "terok "
"""Beginning of a packet's log prefix; the layer that refused follows: `floor`, `host`, `default`, a tier."""

MAX_LEARNED: Final = 16384
MAX_CUT: Final = 4 * MAX_LEARNED  # more than names may open at once: a denial must not fail because of those before it
STAGES: Final = ("override", "security_deny", "provider_deny", "provider_allow", "project_deny", "project_allow")
"""Rules over addresses in the policy; a stage without elements has no sets and no rules."""
LIVE_STAGES: Final = ("live_deny", "live_allow")
"""Verdicts over addresses while the container runs: their sets are always there."""

REFUSING: Final = (
    *("floor", "host", "resolver", "private", "security_deny", "provider_deny", "project_deny"),
    *("live_deny", "quarantine", "default"),
)
PASSING: Final = ("down", "disengaged")  # postures that let through what no rule allows; it is logged under their names
UNJUDGED: Final = 0x74  # connection mark of what only a posture has let through: it is judged again packet by packet


@dataclass(frozen=True, slots=True)
class SetShape:
    """A named set: its key type and flags."""

    key: tuple[str, ...]
    flags: frozenset[str] = frozenset()
    size: int | None = None


@dataclass(frozen=True, slots=True)
class RuleShape:
    """A rule as text, and the parts that verification looks for."""

    text: str
    matches: tuple[str, ...]
    verdict: str
    log: bool = False


@dataclass(frozen=True, slots=True)
class ChainShape:
    """A chain; `hook` is set for base chains, whose policy is always drop."""

    rules: tuple[RuleShape, ...]
    hook: str | None = None


def sets(stages: Collection[str]) -> dict[str, SetShape]:
    """Return every set of the table when `stages` of the policy have elements."""
    shapes: dict[str, SetShape] = {}
    for version, key in (("4", "ipv4_addr"), ("6", "ipv6_addr")):
        for name in ("floor", "private", "host"):
            shapes[f"{name}{version}"] = SetShape((key,), frozenset({"interval"}))
        for name, size in (("learned_override", MAX_LEARNED), ("learned", MAX_LEARNED), ("cut", MAX_CUT)):
            shapes |= _service_sets(name, version, key, frozenset({"timeout"}), size)
        for name in (*STAGES, *LIVE_STAGES):
            if name in stages or name in LIVE_STAGES:
                shapes |= _service_sets(name, version, key, frozenset({"interval", "timeout"}), None)
    return shapes


def _service_sets(name: str, version: str, key: str, flags: frozenset[str], size: int | None) -> dict[str, SetShape]:
    return {
        f"{name}{version}": SetShape((key, "inet_proto", "inet_service"), flags, size),
        f"{name}_any{version}": SetShape((key, "inet_proto"), flags, size),
    }


def chains(stages: Collection[str], posture: Posture = "up") -> dict[str, ChainShape]:
    """Return every chain of the table when `stages` of the policy have elements; helpers come before their users."""
    found = {"refuse": ChainShape((_TCP_RESET, _ICMP_REFUSAL))}
    for layer in REFUSING:
        if layer in stages or layer not in STAGES:
            found[f"refuse_{layer}"] = ChainShape((_log(layer), _to("goto refuse")))
    found |= {name: ChainShape(rules) for name, rules in posture_chains(posture).items()}
    last = (_to("jump posture_last"), _to("goto refuse_default"))
    found["output"] = ChainShape((*_FIRST, *_CUT, *_ENTRY, *_addresses(stages), *last), "output")
    found["cut_input"] = ChainShape(_CUT_INPUT)
    found["input"] = ChainShape((*_INPUT_FIRST, *_INPUT), "input")
    found["forward"] = ChainShape((), "forward")
    return found


def _addresses(stages: Collection[str]) -> list[RuleShape]:
    rules = [*_by_address("floor"), _ISATAP, *_by_address("host"), *_by_service("learned_override", "accept")]
    for stage in STAGES[:2]:
        rules += _stage(stage) if stage in stages else ()
    rules += [_RESOLVER, *_by_address("private"), *_by_service("learned", "accept")]
    for stage in STAGES[2:]:
        rules += _stage(stage) if stage in stages else ()
    return [*rules, *_stage("live_allow")]


def posture_chains(posture: Posture) -> dict[str, tuple[RuleShape, ...]]:
    """Return the rules of the three chains in which postures differ."""
    first: tuple[RuleShape, ...] = ()
    first_input: tuple[RuleShape, ...] = ()
    last: tuple[RuleShape, ...] = ()
    if posture == "quarantine":
        first, first_input = (_to("goto refuse_quarantine"),), (_TCP_REPLIES, RuleShape("drop", (), "drop"))
    elif posture == "disengaged":
        first, first_input = (_log(posture, new=True), _PASS), (RuleShape("accept", (), "accept"),)
    elif posture == "down":
        last = (_log(posture, new=True), _PASS)
    return {"posture": first, "posture_input": first_input, "posture_last": last}


def _stage(stage: str) -> list[RuleShape]:
    return _by_service(stage, f"goto refuse_{stage}" if stage.endswith("deny") else "accept")


def _by_address(layer: str) -> list[RuleShape]:
    verdict = f"goto refuse_{layer}"
    sides = (("ip", f"@{layer}4"), ("ip6", f"@{layer}6"))
    return [RuleShape(f"{ip} daddr {at} {verdict}", (at,), verdict) for ip, at in sides]


def _by_service(name: str, verdict: str, side: str = "d") -> list[RuleShape]:
    """Return the rules about peers in the sets `name`: those that packets go to, or with side `s` come from."""
    rules = []
    for ip, version in (("ip", "4"), ("ip6", "6")):
        for suffix, port in (("", f" . th {side}port"), ("_any", "")):
            at = f"@{name}{suffix}{version}"
            rules.append(RuleShape(f"{ip} {side}addr . meta l4proto{port} {at} {verdict}", (at,), verdict))
    return rules


def _log(layer: str, *, new: bool = False) -> RuleShape:
    text = f'limit rate 20/second burst 40 packets log prefix "{LOG_PREFIX}{layer}" group {LOG_GROUP}'
    return RuleShape(f"ct state new {text}" if new else text, ("ct.state=new",) if new else (), "", log=True)


def _to(way: str) -> RuleShape:
    return RuleShape(way, (), way)


_TCP_RESET: Final = RuleShape("meta l4proto tcp reject with tcp reset", ("meta.l4proto=tcp",), "reject")
_ICMP_REFUSAL: Final = RuleShape("reject with icmpx type admin-prohibited", (), "reject")
_ISATAP: Final = RuleShape(
    "ip6 daddr & ::fdff:ffff:0:0 == ::5efe:0:0 goto refuse_floor", ("&=::5efe:0:0",), "goto refuse_floor"
)
_RESOLVER: Final = RuleShape(
    f"meta l4proto {{ tcp, udp }} th dport {{ {', '.join(map(str, RESOLVER_PORTS))} }} goto refuse_resolver",
    ("meta.l4proto", "th.dport"),
    "goto refuse_resolver",
)
_PASS: Final = RuleShape(f"ct mark set {UNJUDGED:#x} accept", (f"set ct.mark={UNJUDGED}",), "accept")
_TCP_REPLIES: Final = RuleShape(
    "meta l4proto tcp ct state established accept", ("meta.l4proto=tcp", "ct.state=established"), "accept"
)
_FIRST: Final = (RuleShape('oifname "lo" accept', ("meta.oifname=lo",), "accept"), _to("jump posture"))
_CUT: Final = (*_by_service("live_deny", "goto refuse_live_deny"), *_by_service("cut", "goto refuse_live_deny"))
"""Stands before the rule for established flows: a denial ends them."""
_CUT_INPUT: Final = (*_by_service("live_deny", "drop", "s"), *_by_service("cut", "drop", "s"))
"""For all but TCP: the answer to a segment that came in is refused with a reset, which ends the flow at once."""
_ENTRY: Final = (
    RuleShape(
        f"ct mark != {UNJUDGED:#x} ct state established accept",
        (f"ct.mark!={UNJUDGED}", "ct.state=established"),
        "accept",
    ),
    # Without neighbor discovery there is no IPv6; the hop limit keeps it on the link.
    RuleShape(
        "icmpv6 type { nd-router-solicit, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept",
        ("icmpv6.type", "ip6.hoplimit=255"),
        "accept",
    ),
    # The kernel's own group reports: dropped without a log row each.
    RuleShape(
        "icmpv6 type { mld-listener-report, mld-listener-done, mld2-listener-report } drop", ("icmpv6.type",), "drop"
    ),
    RuleShape("meta l4proto igmp drop", ("meta.l4proto",), "drop"),
)
_INPUT_FIRST: Final = (
    RuleShape('iifname "lo" accept', ("meta.iifname=lo",), "accept"),
    _to("jump posture_input"),
    RuleShape("meta l4proto != tcp jump cut_input", ("meta.l4proto!=tcp",), "jump cut_input"),
)
_INPUT: Final = (
    RuleShape("ct state established,related accept", ("ct.state=established,related",), "accept"),
    RuleShape(
        "icmpv6 type { nd-router-advert, nd-neighbor-solicit, nd-neighbor-advert } ip6 hoplimit 255 accept",
        ("icmpv6.type", "ip6.hoplimit=255"),
        "accept",
    ),
)
