"""The emergency on the screen: whether there is one, what was cut off, and what ends it. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from terok.services.panic_words import FAILED
from terok.tui.views.rows import passed
from terok.tui.views.text import Line, Span, wrapped

_MEANS = (
    "It closes the walls of every container in the kernel, ends their services and revokes their tokens.",
    "Then nothing starts, whoever asks, until a person ends the lockdown. What was found is kept as evidence.",
)


class Lockdown(NamedTuple):
    """Whether nothing may start, and since when, if that is known."""

    locked: bool
    since: float | None = None


def panic_lines(state: Lockdown | None, told: Sequence[str], now: float, cells: int) -> list[Line]:
    """Return the state, what the last step has told, and what can be done."""
    lines: list[Line] = []
    if state is None:
        lines.append((Span("looking whether there is a lockdown…", "dim"),))
    elif state.locked:
        since = "" if state.since is None else f" for {passed(now - state.since)}"
        lines.append((Span(f"LOCKDOWN{since}: nothing starts", "error"),))
    else:
        lines.append((Span("there is no lockdown", "bold"),))
    lines.append(())
    for line in told:
        style = "error" if line.startswith(FAILED) else "plain"
        lines += [(Span(text, style),) for text in wrapped(line, cells, limit=5)]
    if told:
        lines.append(())
    for sentence in _MEANS:
        lines += [(Span(text, "dim"),) for text in wrapped(sentence, cells)]
    lines += [(), (Span("!", "key"), Span(" panic", "bold"), Span("  cuts everything off", "dim"))]
    end = Span("  ends the lockdown; tasks are taken up again", "dim")
    return [*lines, (Span("!", "key"), Span(" clear", "bold"), end)]
