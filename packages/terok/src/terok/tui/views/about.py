"""Everything known about one task, as lines: beside the inbox, and on its own screen. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from terok.model.shown import glyph, label
from terok.tui.views.rows import cost, passed
from terok.tui.views.text import Line, Span, cropped, said, wrapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok.model.task import Task
    from terok.services.inbox import TaskDetail
    from terok.tui.views.world import World

_SHIELDS: Final = {"up": "plain", "quarantine": "needs"}
_MOST: Final = 12
"""Lines of one text."""


def about(world: World, task: Task, now: float, cells: int) -> list[Line]:
    """Return everything about a task, the question or the reason first."""
    detail = world.details.get(task.id)
    lines = [title(world, task, now, cells), _place(world, task, detail, cells)]
    lines += questions(task, detail, cells)
    if detail is not None:
        lines += evidence(detail, now, cells)
        lines += [cropped((Span("next  ", "dim"), said(f"{one.id}: {one.text}")), cells) for one in detail.waiting]
    if task.prompt:
        lines += _labeled("asked ", task.prompt, cells, "dim")
    return lines


def title(world: World, task: Task, now: float, cells: int) -> Line:
    """Return the line with a task's state, its names and since when it is so."""
    pending = world.pending.get(task.id)
    state = f"{pending}…" if pending else f"{label(task.word)} {_since(now - task.since)}"
    return cropped(
        (
            Span(glyph(task), task.group),
            Span(" "),
            said(world.short.get(task.id, task.id), "dim"),
            Span(" "),
            said(f"{task.project}/{task.name}", "bold"),
            Span("  "),
            Span(state, task.group),
        ),
        cells,
    )


def _since(seconds: float) -> str:
    gone = passed(seconds)
    return "just now" if gone == "now" else f"for {gone}"


def _place(world: World, task: Task, detail: TaskDetail | None, cells: int) -> Line:
    parts = [said(task.agent + (f" with {task.provider}" if task.provider and task.provider != task.agent else ""))]
    parts += [Span("  "), said(task.mode, "dim")]
    if task.branch:
        parts += [Span("  branch ", "dim"), said(task.branch)]
    if task.cost is not None:
        parts += [Span("  cost ", "dim"), Span(cost(task))]
    if shield := world.shields.get(task.id):
        parts += [Span("  shield ", "dim"), said(shield, _SHIELDS.get(shield, "error"))]
    if detail is not None and detail.spent is not None:
        spent = detail.spent
        parts += [Span("  budget ", "dim"), said(f"{spent.used:g} of {spent.limit:g} {spent.kind}", "needs")]
    return cropped(tuple(parts), cells)


def questions(task: Task, detail: TaskDetail | None, cells: int) -> list[Line]:
    """Return what the agent asks, with the digits that answer it, and what waits for a verdict."""
    lines: list[Line] = []
    for number, claim in enumerate(detail.questions if detail is not None and task.process == "up" else ()):
        lines += _labeled("asks  ", claim.text or claim.kind, cells, "needs")
        if claim.options and number == 0:
            offered: list[Span] = [Span("      ")]
            for digit, option in enumerate(claim.options, 1):
                offered += [Span(str(digit), "key"), Span(" "), said(option), Span("   ")]
            lines.append(cropped((*offered, Span("r", "key"), Span(" reply")), cells))
    if detail is not None and detail.clearance is not None and "clearance" in (task.word, *task.also.split()):
        wants = ", ".join(detail.clearance.targets) or f"{len(detail.clearance.ids)} requests"
        lines += _labeled("wants ", wants, cells, "needs")
    return lines


def evidence(detail: TaskDetail, now: float, cells: int) -> Iterator[Line]:
    """Yield what speaks for the state, with its source and age; what was said from inside is marked as a claim."""
    for proof in detail.state.evidence:
        source = f"{proof.source}, claimed" if proof.claim else proof.source
        yield cropped(
            (
                Span("why   ", "dim"),
                said(proof.text),
                said(f"  ({source}, {passed(now - proof.at)})", "dim"),
            ),
            cells,
        )


def _labeled(name: str, text: str, cells: int, style: str) -> list[Line]:
    lines = wrapped(text, max(cells - len(name), 8), limit=_MOST)
    return [
        (Span(name if not number else " " * len(name), "dim"), Span(one, style)) for number, one in enumerate(lines)
    ]
