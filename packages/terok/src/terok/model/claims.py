"""Reports of a container about its task. Claims may raise attention, at a limited rate; they hide no fact."""

from __future__ import annotations

from dataclasses import replace
from math import isfinite
from typing import Any, Final

from terok_util import lean_dataclass, safe_text

MAX_OPEN: Final = 8
"""Questions that are open at once; more are counted only."""
BURST: Final = 6
"""Questions that raise attention within `WINDOW` seconds."""
WINDOW: Final = 60.0
MAX_TEXT: Final = 500
MAX_OPTIONS: Final = 9
KINDS: Final = (
    *("permission", "question", "answered", "turn_began", "turn_ended", "phase", "idle", "session", "done"),
)


@lean_dataclass(frozen=True, slots=True)
class Claim:
    """One report from inside. `at` is when the host read it; texts are safe for a terminal."""

    at: float
    kind: str
    id: str = ""
    text: str = ""
    options: tuple[str, ...] = ()


@lean_dataclass(frozen=True, slots=True)
class Claims:
    """The sum of the reports of one task."""

    open: tuple[Claim, ...] = ()
    """Questions and permissions without an answer, the oldest first."""
    turn_ended: float = 0.0
    active: float = 0.0
    """When it last said that it is at work."""
    phase: str = ""
    summary: str = ""
    raised: tuple[float, ...] = ()
    """When the latest questions raised attention."""
    dropped: int = 0


def with_claim(claims: Claims, claim: Claim) -> Claims:
    """Return `claims` after one more report; an unknown kind changes nothing."""
    text = safe_text(claim.text, limit=MAX_TEXT)
    if claim.kind in ("permission", "question"):
        return _asked(claims, replace(claim, text=text, id=safe_text(claim.id, limit=MAX_TEXT)))
    if claim.kind == "answered":
        wanted = safe_text(claim.id, limit=MAX_TEXT)
        still = tuple(one for one in claims.open if one.id != wanted)
        # What is told of a tool after its turn has ended begins no new one.
        works = len(still) < len(claims.open) or claims.active > claims.turn_ended
        return replace(claims, open=still, active=max(claims.active, claim.at) if works else claims.active)
    if claim.kind == "phase":
        return replace(claims, phase=text, active=max(claims.active, claim.at))
    if claim.kind == "turn_began":
        return replace(claims, open=_since(claims, claim), active=max(claims.active, claim.at), phase="")
    if claim.kind in ("turn_ended", "idle"):
        return replace(claims, open=_since(claims, claim), turn_ended=max(claims.turn_ended, claim.at), phase="")
    if claim.kind == "done":
        return replace(claims, turn_ended=max(claims.turn_ended, claim.at), phase="", summary=text)
    return claims


def _since(claims: Claims, claim: Claim) -> tuple[Claim, ...]:
    """Return what was asked after a report: a turn that begins or ends leaves no older question open."""
    return tuple(one for one in claims.open if one.at > claim.at)


def answered(claims: Claims, question: str) -> Claims:
    """Return `claims` after a person answered a question by way of us."""
    return replace(claims, open=tuple(one for one in claims.open if one.id != question))


def _asked(claims: Claims, claim: Claim) -> Claims:
    options = tuple(safe_text(option, limit=MAX_TEXT) for option in claim.options[:MAX_OPTIONS])
    recent = tuple(at for at in claims.raised if claim.at - WINDOW < at <= claim.at)
    others = tuple(one for one in claims.open if one.id != claim.id)
    known = len(others) < len(claims.open)
    if not known and (len(others) >= MAX_OPEN or len(recent) >= BURST):
        return replace(claims, dropped=claims.dropped + 1)
    if known:  # the same question again raises nothing: its age is that of the first time
        first = next(one for one in claims.open if one.id == claim.id)
        merged = replace(claim, at=first.at, options=options)
        return replace(claims, open=tuple(merged if one.id == claim.id else one for one in claims.open))
    return replace(claims, open=(*others, replace(claim, options=options)), raised=(*recent, claim.at))


def claims_to_json(claims: Claims) -> dict[str, Any]:
    """Return `claims` as JSON values."""
    return {
        "open": [[one.at, one.kind, one.id, one.text, list(one.options)] for one in claims.open],
        "turn_ended": claims.turn_ended,
        "active": claims.active,
        "phase": claims.phase,
        "summary": claims.summary,
        "raised": list(claims.raised),
        "dropped": claims.dropped,
    }


def claims_from_json(kept: Any) -> Claims:
    """Return the claims that `claims_to_json` gave; what cannot be read is as if it was never said."""
    try:
        return Claims(
            tuple(
                Claim(_number(at), str(kind), str(name), str(text), tuple(str(option) for option in options))
                for at, kind, name, text, options in kept["open"]
            ),
            _number(kept["turn_ended"]),
            _number(kept["active"]),
            str(kept["phase"]),
            str(kept["summary"]),
            tuple(_number(at) for at in kept["raised"]),
            int(kept["dropped"]),
        )
    except (KeyError, TypeError, ValueError):
        return Claims()


def _number(value: Any) -> float:
    number = float(value)
    if not isfinite(number):
        raise ValueError(value)
    return number
