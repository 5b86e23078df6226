"""Why a destination is reached or not: the decision, every rule that is about it, and what was seen of late. Pure."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from terok_util.values import lean_dataclass

from terok_sandbox.shield.policy import Decision
from terok_sandbox.shield.wall import Destination, Wall

_RECENT: Final = 5


@lean_dataclass(frozen=True, slots=True)
class MatchingRule:
    """A rule about the destination; it does not count if it is `expired` or about an `other_port`."""

    tier: str
    rule: str
    expired: bool
    other_port: bool


@lean_dataclass(frozen=True, slots=True)
class Explanation:
    """A decision with its rules, in the order in which they were looked at, and the newest rows of the audit log."""

    target: str
    decision: Decision
    rules: tuple[MatchingRule, ...]
    seen: tuple[Mapping[str, Any], ...]


def explain(wall: Wall, destination: Destination, rows: Iterable[Mapping[str, Any]]) -> Explanation:
    """Return why a wall decides as it does; `rows` are those of the container's audit log, oldest first."""
    now = datetime.now(UTC)
    rules = []
    for rule in wall.policy.matching(destination.host):
        covers = any(service.covers(destination.protocol, destination.port or 0) for service in rule.services)
        rules.append(MatchingRule(rule.tier, rule.line, expired=not rule.live(now), other_port=not covers))
    seen = deque((row for row in rows if destination.host in (row.get("name"), row.get("dest"))), maxlen=_RECENT)
    return Explanation(str(destination), destination.judge(wall), tuple(rules), tuple(seen))
