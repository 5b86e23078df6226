"""Compares the rules in the kernel with the intended ones, by structure and not by text."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import collapse_addresses, ip_address, ip_network, summarize_address_range
from typing import Any, Final

from terok_sandbox.shield.errors import RulesetMismatch
from terok_sandbox.shield.policy.addresses import Network
from terok_sandbox.shield.ruleset import layout
from terok_sandbox.shield.ruleset.render import base_elements
from terok_sandbox.values.posture import Posture

_HINT: Final = "see `terok-sandbox doctor`; the container is kept closed"
_VERDICTS: Final = frozenset({"accept", "drop", "continue", "return", "reject", "jump", "goto", "queue"})
_HARMLESS: Final = frozenset({"limit", "log", "counter"})


def verify(
    listing: Mapping[str, Any] | str | bytes, *, host_addresses: Sequence[str] | None = None, posture: Posture = "up"
) -> None:
    """Check the output of `nft -j list table inet terok` (text or parsed).

    Hooks, policies, sets, the order and shape of every rule and the elements of the fixed sets must be those of
    `terok_sandbox.shield.ruleset.render.render`; with `host_addresses`, those of the host sets too. Raises
    `RulesetMismatch`.
    """
    objects = _objects(listing)
    tables = [value for kind, value in objects if kind == "table"]
    if len(tables) != 1 or tables[0].get("name") != "terok" or tables[0].get("family") != "inet":
        raise _mismatch("not exactly one table inet terok")
    if "dormant" in _listed(tables[0].get("flags")):
        raise _mismatch("the table is dormant")
    found_sets = {str(value.get("name")): value for kind, value in objects if kind in {"set", "map"}}
    # The listing itself says which stages the policy has: only those have sets.
    stages = {stage for stage in layout.STAGES if f"{stage}4" in found_sets}
    _verify_sets(found_sets, layout.sets(stages))
    _verify_chains(objects, layout.chains(stages, posture))
    for name, expected in base_elements(host_addresses or ()).items():
        if name.startswith("host") and host_addresses is None:
            continue
        if not _holds(found_sets[name], expected):
            raise _mismatch(f"set {name} does not hold what it must")


def _objects(listing: Mapping[str, Any] | str | bytes) -> list[tuple[str, dict[str, Any]]]:
    try:
        document = json.loads(listing) if isinstance(listing, str | bytes) else listing
        return [
            (kind, value) for entry in document["nftables"] for kind, value in entry.items() if isinstance(value, dict)
        ]
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise _mismatch("nft did not list the rules as JSON") from error


def _verify_sets(found: Mapping[str, dict[str, Any]], expected: Mapping[str, layout.SetShape]) -> None:
    if set(found) != set(expected):
        raise _mismatch(f"sets differ: {', '.join(sorted(set(found) ^ set(expected)))}")
    for name, shape in expected.items():
        key = tuple(_listed(found[name].get("type")))
        if key != shape.key or frozenset(_listed(found[name].get("flags"))) != shape.flags:
            raise _mismatch(f"set {name} has another type")


def _verify_chains(objects: list[tuple[str, dict[str, Any]]], expected: Mapping[str, layout.ChainShape]) -> None:
    found = {str(value.get("name")): value for kind, value in objects if kind == "chain"}
    if set(found) != set(expected):
        raise _mismatch(f"chains differ: {', '.join(sorted(set(found) ^ set(expected)))}")
    rules: dict[str, list[Any]] = {name: [] for name in found}
    for kind, value in objects:
        if kind == "rule":
            rules.setdefault(str(value.get("chain")), []).append(value.get("expr"))
    for name, chain in expected.items():
        base = [found[name].get(key) for key in ("type", "hook", "prio", "policy")]
        if base != (["filter", chain.hook, 0, "drop"] if chain.hook else [None] * 4):
            raise _mismatch(f"chain {name} is not hooked as it must be")
        if len(rules[name]) != len(chain.rules):
            raise _mismatch(f"chain {name} has {len(rules[name])} rules instead of {len(chain.rules)}")
        for number, (expression, shape) in enumerate(zip(rules[name], chain.rules, strict=True), 1):
            if _shape(expression) != (shape.matches, shape.verdict, shape.log):
                raise _mismatch(f"rule {number} of chain {name} is not: {shape.text}")


def _shape(expression: object) -> tuple[tuple[str, ...], str, bool] | None:
    matches: list[str] = []
    verdict, logs = "", False
    for statement in expression if isinstance(expression, list) else [{}]:
        if not isinstance(statement, dict) or len(statement) != 1:
            return None
        ((kind, value),) = statement.items()
        if kind == "match" and isinstance(value, dict) and value.get("op") in {"==", "in", "!="}:
            matches.append(_match(value))
        elif kind == "mangle" and isinstance(value, dict):
            matches.append(f"set {_left(value.get('key'))}={value.get('value')}")
        elif kind in _VERDICTS:
            target = value.get("target") if isinstance(value, dict) else None
            verdict = f"{kind} {target}" if target else kind
        elif kind == "log" and isinstance(value, dict):
            logs = value.get("group") == layout.LOG_GROUP
        elif kind not in _HARMLESS:
            return None
    return tuple(matches), verdict, logs


def _match(value: dict[str, Any]) -> str:
    right = value.get("right")
    if isinstance(right, str) and right.startswith("@") and value.get("op") != "!=":
        return right
    left = _left(value.get("left"))
    if isinstance(right, dict) and value.get("op") != "!=":
        return left
    if left == "meta.l4proto" and value.get("op") != "!=" and right != "tcp":
        return left  # a protocol may be listed by number
    right = "tcp" if left == "meta.l4proto" and right in (6, "6") else right
    sign = "!=" if value.get("op") == "!=" else "="
    return f"{left}{sign}{','.join(sorted(map(str, _listed(right))))}"


def _left(left: object) -> str:
    if not isinstance(left, dict) or len(left) != 1:
        return "?"
    ((kind, value),) = left.items()
    if kind == "payload" and isinstance(value, dict):
        return f"{value.get('protocol')}.{value.get('field')}"
    return f"{kind}.{value.get('key')}" if isinstance(value, dict) else str(kind)


def _holds(found: Mapping[str, Any], expected: Sequence[str]) -> bool:
    listed = [text for element in _listed(found.get("elem")) for text in _element(element)]
    # nft spells networks as Python does, and single addresses without a length. What differs is read, which takes long.
    spelled = {text.removesuffix("/32" if "." in text else "/128") for text in expected}
    return set(listed) == spelled or _plain(listed) == _plain(expected)


def _plain(elements: Any) -> set[Network]:
    try:
        networks: list[Any] = [ip_network(text) for text in elements]
    except ValueError as error:
        raise _mismatch("a set holds an element of an unknown form") from error
    return set(collapse_addresses(networks)) if networks else set()


def _element(element: Any) -> Iterator[str]:
    try:
        if isinstance(element, str):
            yield element
        elif "prefix" in element:
            yield f"{element['prefix']['addr']}/{int(element['prefix']['len'])}"
        else:
            first, last = map(ip_address, element["range"])
            yield from map(str, summarize_address_range(first, last))
    except (KeyError, TypeError, ValueError) as error:
        raise _mismatch("a set holds an element of an unknown form") from error


def _listed(value: Any) -> list[Any]:
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def _mismatch(what: str) -> RulesetMismatch:
    return RulesetMismatch(f"the network rules are not in force as intended: {what}", hint=_HINT)
