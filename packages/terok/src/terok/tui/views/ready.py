"""Making a project ready, step by step, with what is said on the way. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal, NamedTuple

from terok.tui.views.text import Line, Span, said

State = Literal["waits", "now", "done", "failed"]
_SIGNS: Final[dict[State, tuple[str, str]]] = {
    "waits": (" . ", "dim"),
    "now": ("[>]", "working"),
    "done": (" = ", "review"),
    "failed": (" x ", "error"),
}


class Step(NamedTuple):
    """One step: what it does, how it stands, and what it has told at its end."""

    words: str
    state: State = "waits"
    told: str = ""


def step_lines(steps: Sequence[Step]) -> list[Line]:
    """Return the steps; each has its sign and its word."""
    lines: list[Line] = []
    for step in steps:
        sign, style = _SIGNS[step.state]
        lines.append((Span(sign, style), Span(f" {step.state:<7}", style), Span(step.words, "bold")))
        if step.told:
            lines.append((Span(" " * 11), said(step.told, "error" if step.state == "failed" else "dim")))
    return lines


def outcome(steps: Sequence[Step]) -> str:
    """Return what a person does next, "" while something is under way."""
    if any(step.state == "failed" for step in steps):
        return "r tries the step again"
    return "n starts a task" if all(step.state == "done" for step in steps) else ""
