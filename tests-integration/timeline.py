"""What was true, what was said, and how much of the time the two agreed."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

DELAY = 1.0
"""Seconds in which what was right before a change still is; they count as measured.

A permission's command is looked for every 0.2; a hook's program starts (0.1); its line is looked for every 0.1, joined
with the next for 0.1, and written (0.1). The rest is the agent's own, which draws before it calls its hook.
"""
HIDDEN = frozenset({"working", "waiting", "done", "queued"})
"""What a question must not be shown as."""


@dataclass(frozen=True)
class Truth:
    """From `at` on, each of the words is right; a part of `case`."""

    at: float
    case: str
    words: frozenset[str]


@dataclass(frozen=True)
class Measured:
    """One case of one agent: its seconds, those of them with a wrong word, and the longest such span."""

    case: str
    seconds: float
    wrong: float
    span: float
    said: str
    hidden: float
    """Seconds for which, at a stretch, a question was shown as something that needs nobody."""


def measure(truths: Iterable[Truth], said: Iterable[tuple[float, str]], until: float) -> list[Measured]:
    """Return for each case how a history of words compares with what was true."""
    known = sorted(truths, key=lambda truth: truth.at)
    if not known:
        return []
    words = sorted(said)
    edges = [*known[1:], Truth(until, "", frozenset())]
    found: dict[str, list[tuple[float, float, str, bool, bool]]] = {}
    for number, (truth, following) in enumerate(zip(known, edges, strict=True)):
        before = known[number - 1].words if number else truth.words
        points = sorted(
            {truth.at, following.at, min(truth.at + DELAY, following.at)}
            | {at for at, _ in words if truth.at < at < following.at}
        )
        for begin, end in pairwise(points):
            word = next((word for at, word in reversed(words) if at <= begin), "unknown")
            right = truth.words | (before if begin < truth.at + DELAY else frozenset())
            hides = truth.words == {"question"} and word in HIDDEN
            found.setdefault(truth.case, []).append((begin, end, word, word not in right, hides))
    return [_sum(case, spans) for case, spans in found.items()]


def _sum(case: str, spans: list[tuple[float, float, str, bool, bool]]) -> Measured:
    longest = hidden = 0.0
    said = ""
    begun: float | None = None
    veiled: float | None = None
    for begin, end, word, wrong, hides in spans:
        begun = (begin if begun is None else begun) if wrong else None
        veiled = (begin if veiled is None else veiled) if hides else None
        if begun is not None and end - begun > longest:
            longest, said = end - begun, word
        if veiled is not None:
            hidden = max(hidden, end - veiled)
    seconds = sum(end - begin for begin, end, *_ in spans)
    return Measured(
        case, seconds, sum(end - begin for begin, end, _, wrong, _ in spans if wrong), longest, said, hidden
    )


def table(measured: dict[str, list[Measured]]) -> str:
    """Return a table of agents and cases."""
    lines = [f"{'agent':9} {'case':11} {'seconds':>8} {'right':>7}  longest wrong span"]
    for agent, rows in measured.items():
        for row in rows:
            wrong = f"{row.span:.2f} s: {row.said}" if row.span else ""
            share = 100 * (1 - row.wrong / row.seconds) if row.seconds else 100.0
            lines.append(f"{agent:9} {row.case:11} {row.seconds:8.1f} {share:6.1f}%  {wrong}")
    seconds, wrong = (
        sum(getattr(row, key) for rows in measured.values() for row in rows) for key in ("seconds", "wrong")
    )
    lines.append(f"{'all':9} {'':11} {seconds:8.1f} {100 * (1 - wrong / seconds):6.2f}%")
    return "\n".join(lines)
