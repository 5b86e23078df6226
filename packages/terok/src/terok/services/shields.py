"""The wall of a task's container: how it stands, what it decided of late, why, and what a person changes about it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from terok_util import TerokError, UsageError, safe_text

from terok.integrations.sandbox import Shield, read_audit_end
from terok.model.timeline_rows import moment
from terok.services.tasks_base import TaskBase

if TYPE_CHECKING:
    from collections.abc import Mapping

POSTURES: Final = ("up", "down", "disengaged", "quarantine")
NEWEST: Final = 200
"""Rows of the audit log that are read."""
_TEXT: Final = 300


class Verdict(NamedTuple):
    """A verdict that holds now: until when, None for as long as the container is there."""

    target: str
    verdict: str
    until: float | None
    reason: str


class Rule(NamedTuple):
    """A rule of the policy in force, with its tier."""

    tier: str
    line: str


class Seen(NamedTuple):
    """A row of the audit log. `target` is what a verdict about it would name, "" if it is about no destination."""

    at: float | None
    action: str
    where: str
    reason: str
    target: str


class Wall(NamedTuple):
    """A container's wall. All text is safe to show; `seen` has the newest row first.

    `posture` is `none` if the container has no rules. Without `attended` nobody keeps it up to date, without `kept` a
    restart would not continue with it. `broken` says what is wrong with the audit log.
    """

    container: str
    posture: str
    enforcement: str
    running: bool
    attended: bool
    kept: bool
    verdicts: tuple[Verdict, ...]
    rules: tuple[Rule, ...]
    seen: tuple[Seen, ...]
    broken: str


class Why(NamedTuple):
    """A decision: `allow` or `deny`, why, by which tier and rule, with all rules about the destination."""

    target: str
    verdict: str
    reason: str
    tier: str
    rule: str
    rules: tuple[tuple[Rule, str], ...]
    """Each with why it does not count, "" if it does."""
    seen: tuple[Seen, ...]


def look(task_id: str) -> Wall:
    """Return how the wall of a task's container stands; ShieldError if there is no such container."""
    shield = _shield(task_id)
    state = shield.state()
    rules = tuple(Rule(rule.tier, safe_text(rule.line, limit=_TEXT)) for rule in shield.policy.rules)
    rows: tuple[Mapping[str, Any], ...] = ()
    broken = ""
    try:
        end = read_audit_end(shield.audit_path, limit=NEWEST)
        rows, broken = end.rows, end.chain.problems[0] if end.chain.problems else ""
    except TerokError as error:
        broken = error.message
    return Wall(
        container=shield.name,
        posture=state.posture,
        enforcement=state.enforcement,
        running=state.running,
        attended=state.attended,
        kept=state.kept,
        verdicts=tuple(map(_verdict, state.verdicts)),
        rules=rules,
        seen=tuple(map(_seen, reversed(rows))),
        broken=safe_text(broken, limit=_TEXT),
    )


def set_posture(task_id: str, posture: str) -> str:
    """Give the wall another posture and return what is so now, in words."""
    said: list[str] = []
    shield = _shield(task_id, said)
    if posture == "up":
        shield.up()
    elif posture in ("down", "disengaged"):
        shield.down(disengage=posture == "disengaged")
    elif posture == "quarantine":
        shield.quarantine()
    else:
        raise UsageError(f"unknown posture {posture[:20]!r}", hint=f"use one of {', '.join(POSTURES)}")
    return "; ".join([f"the wall is {posture}", *said])


def reset(task_id: str) -> str:
    """Drop the live verdicts and raise the wall."""
    said: list[str] = []
    _shield(task_id, said).reset()
    return "; ".join(["the wall is up, without live verdicts", *said])


def decide(task_id: str, target: str, *, allow: bool, minutes: float | None = None, reason: str = "") -> str:
    """Open or close a target of a container that runs, for some minutes or as long as it is there."""
    said: list[str] = []
    shield = _shield(task_id, said)
    verdict = (shield.allow if allow else shield.deny)(target, minutes=minutes, reason=reason)
    span = f" for {minutes:g} minutes" if minutes is not None else ""
    words = f"{'allowed' if allow else 'denied'}{span}: {safe_text(str(verdict['target']), limit=_TEXT)}"
    return "; ".join([words, *said])


def revoke(task_id: str, target: str) -> str:
    """Take the verdict about a target back."""
    said: list[str] = []
    _shield(task_id, said).revoke(target)
    return "; ".join([f"no verdict about {safe_text(target, limit=_TEXT)} any more", *said])


def why(task_id: str, target: str) -> Why:
    """Explain the decision about `host[:port]`; ShieldError for a target that cannot be read."""
    found = _shield(task_id).why(target)
    notes = (("expired", "has expired"), ("other_port", "is about another port"))
    rules = tuple(
        (
            Rule(one.tier, safe_text(one.rule, limit=_TEXT)),
            ", ".join(words for name, words in notes if getattr(one, name)),
        )
        for one in found.rules
    )
    decision = found.decision
    return Why(
        target=safe_text(found.target, limit=_TEXT),
        verdict=decision.verdict,
        reason=safe_text(decision.reason, limit=_TEXT),
        tier=decision.tier,
        rule=safe_text(decision.rule, limit=_TEXT),
        rules=rules,
        seen=tuple(map(_seen, reversed(found.seen))),
    )


def _shield(task_id: str, said: list[str] | None = None) -> Shield:
    with TaskBase(create=False) as tasks:
        task = tasks.store.task(task_id)
    if not task.container:
        raise UsageError(f"{task.name} has no container yet", hint=f"see `terok task show {task.id}`")
    return Shield(task.container, warn=(said if said is not None else []).append)


def _verdict(row: Mapping[str, Any]) -> Verdict:
    until = moment(row["expires"]) if row.get("expires") else None
    target, verdict, reason = (safe_text(str(row.get(key, "")), limit=_TEXT) for key in ("target", "verdict", "reason"))
    return Verdict(target, verdict, until, reason)


def _seen(row: Mapping[str, Any]) -> Seen:
    host = next((str(row[key]) for key in ("name", "dest") if row.get(key)), "")
    other = next((str(row[key]) for key in ("target", "posture") if row.get(key)), "")
    port = ""
    with suppress(TypeError, ValueError):
        port = f":{int(row['port'])}" if row.get("port") else ""
    proto = f"/{row['proto']}" if port and row.get("proto") in ("tcp", "udp") else ""
    target = f"[{host}]{port}{proto}" if ":" in host and port else f"{host}{port}{proto}"
    action, where, reason, named = (
        safe_text(text, limit=_TEXT)
        for text in (str(row.get("action", "")), target or other, str(row.get("reason", "")), target)
    )
    return Seen(moment(row.get("time")), action, where, reason, named)
