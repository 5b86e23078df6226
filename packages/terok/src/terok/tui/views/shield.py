"""The wall of a container, as lines and sections. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from terok.tui.views.choice import Option
from terok.tui.views.clearance import minutes_of
from terok.tui.views.clock import clock, until
from terok.tui.views.sections import Row, Section
from terok.tui.views.text import Line, Span, cropped, fit, said

if TYPE_CHECKING:
    from collections.abc import Callable

    from terok.services.shields import Rule, Seen, Verdict, Wall, Why

LOWERED: Final = (
    Option("down", "down", "what no rule decides goes through; denials and floors stay"),
    Option("disengaged", "disengaged", "everything goes through, floors included", "error"),
)
"""How far a wall can be lowered."""
_POSTURES: Final = {"up": "working", "quarantine": "needs"}
_ACTIONS: Final = {"refused": "needs", "blocked": "needs", "verdict": "bold", "posture": "bold"}


class Terms(NamedTuple):
    """A destination that a person wants opened or closed: for how many minutes (None: with the container), and why."""

    target: str
    minutes: int | None
    reason: str


def terms_of(text: str) -> Terms | None:
    """Return the terms in `HOST[:PORT] [MINUTES] [REASON]`, None without a target."""
    target, _, rest = text.strip().partition(" ")
    minutes, reason = minutes_of(rest)
    return Terms(target, minutes, reason) if target else None


def wall_lines(wall: Wall, cells: int) -> list[Line]:
    """Return how a wall stands, and what is wrong with it."""
    state = (
        Span("shield ", "dim"),
        said(wall.posture, _POSTURES.get(wall.posture, "error")),
        said(f"  {wall.enforcement}  {len(wall.rules)} rules", "plain"),
        Span("" if wall.running else "  not running: this is for the next start", "dim"),
    )
    problems = [
        "nobody attends to it; run: sandbox supervisor redo" if not wall.attended else "",
        "not written down: a restart may undo it; free some disk space" if not wall.kept else "",
        f"the audit log is not what was written: {wall.broken}" if wall.broken else "",
    ]
    lines = [cropped(state, cells)]
    return [*lines, *(cropped((said(text, "error"),), cells) for text in problems if text)]


def wall_sections(wall: Wall, now: float) -> tuple[Section, ...]:
    """Return verdicts, what was seen of late, and rules."""
    verdicts = tuple(Row(one.target, _verdict(one, now), one) for one in wall.verdicts)
    seen = tuple(Row(f"{one.at} {one.action} {one.where}", _seen(one), one) for one in wall.seen)
    rules = tuple(Row(f"{number}", _rule(one), one) for number, one in enumerate(wall.rules))
    return (
        Section("verdicts", verdicts, "none given while it runs"),
        Section("lately", seen, "nothing was decided yet"),
        Section("rules", rules, "no rule: everything is refused"),
    )


def why_lines(why: Why, cells: int) -> list[Line]:
    """Return why a destination is reached or not."""
    style = "working" if why.verdict == "allow" else "needs"
    rule = f" ({why.rule})" if why.rule else ""
    lines: list[Line] = [
        (said(why.target, "bold"), Span("  "), said(why.verdict, style), said(f": {why.reason}  [{why.tier}]{rule}"))
    ]
    for one, note in why.rules:
        more = said(f"  {note}", "dim") if note else Span("")
        lines.append((said(f"  {fit(one.tier, 15)} "), _signed(one.line), more))
    lines += [(said(f"  seen {clock(one.at)} {one.action} {one.reason}", "dim"),) for one in why.seen]
    return [cropped(line, cells) for line in lines]


def _verdict(one: Verdict, now: float) -> Callable[[int], Line]:
    def line(cells: int) -> Line:
        sign = "+" if one.verdict == "allow" else "-"
        span = until(one.until, now) if one.until is not None else "with the container"
        parts = (_signed(f"{sign} {one.target}"), said(f"  {span}", "dim"), said(f"  {one.reason}"))
        return cropped((Span("  "), *parts), cells)

    return line


def _seen(one: Seen) -> Callable[[int], Line]:
    def line(cells: int) -> Line:
        style = _ACTIONS.get(one.action, "plain")
        parts = (Span(f"  {clock(one.at)} ", "dim"), Span(fit(one.action, 9), style), said(f" {one.where}"))
        return cropped((*parts, said(f"  {one.reason}", "dim")), cells)

    return line


def _rule(one: Rule) -> Callable[[int], Line]:
    def line(cells: int) -> Line:
        return cropped((Span("  "), Span(fit(one.tier, 15), "dim"), Span(" "), _signed(one.line)), cells)

    return line


def _signed(text: str) -> Span:
    style = "added" if text.startswith("+") else "removed" if text.startswith("-") else "plain"
    return said(text, style)
