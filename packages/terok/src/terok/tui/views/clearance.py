"""Destinations that wait for a verdict, as lines. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok.tui.views.rows import passed
from terok.tui.views.text import Line, Span, cropped, fit, said

if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok.model.task import Task
    from terok.services.clearances import Wish


def wish_line(wish: Wish, tasks: Mapping[str, Task], now: float, cells: int) -> Line:
    """Return one question: who asks, for what, and since when."""
    task = tasks.get(wish.task)
    who = f"{task.project}/{task.name}" if task is not None else wish.container
    more = [Span("  new", "needs")] if wish.first_time else []
    more += [said(f"  {wish.odd}", "error")] if wish.odd else []
    return cropped(
        (
            Span(fit(who, 24), "bold"),
            Span(" "),
            said(wish.target, "needs"),
            *more,
            said(f"  by {wish.program}" if wish.program else "", "dim"),
            Span(f"  {passed(now - wish.since)}" + (f", {wish.count} times" if wish.count > 1 else ""), "dim"),
        ),
        cells,
    )


def wish_lines(wish: Wish, cells: int) -> list[Line]:
    """Return what is known about one question."""
    lines: list[Line] = [
        (Span("asks for ", "dim"), said(wish.target, "bold")),
        (Span("refused  ", "dim"), said(wish.why)),
        (Span("in       ", "dim"), said(wish.container)),
    ]
    if wish.odd:
        lines.append((Span("beware   ", "dim"), said(wish.odd, "error")))
    return [cropped(line, cells) for line in lines]
