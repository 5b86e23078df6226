"""Operations and what takes them back, as a table. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final

from terok.model.shown import age
from terok.tui.views.columns import Table
from terok.tui.views.text import Line, Span, said, wrapped

if TYPE_CHECKING:
    from terok.model.task import Operation

_STYLES: Final = {"open": "needs", "done": "plain"}
_TITLES: Final = ("N", "WHEN", "STATE", "WHAT", "FOR")


def operations_table(found: Sequence[Operation], now: float) -> Table:
    """Return operations, the newest first."""
    rows = tuple(_row(one, now) for one in found)
    return Table(_TITLES, rows, "nothing was deleted, archived, promoted or rejected yet", (0,), 3, frozenset((0,)))


def can_be_undone(operation: Operation) -> str:
    """Return "" for an operation that can be taken back, or why it cannot."""
    return "" if operation.state in ("open", "done") else f"it is {operation.state} already"


def operation_lines(operation: Operation, now: float, cells: int) -> list[Line]:
    """Return what is known about one operation."""
    undone = can_be_undone(operation)
    kept = "for ever" if operation.expires is None else f"for {age(operation.expires - now)}"
    return [
        *((Span(line, "bold"),) for line in wrapped(operation.summary, cells, limit=2)),
        (said(f"terok {operation.verb}, {operation.subject}", "dim"),),
        (Span(undone or f"it can be taken back {kept}: `terok undo {operation.id}`"),),
    ]


def _row(one: Operation, now: float) -> tuple[Span, ...]:
    style = _STYLES.get(one.state, "dim")
    left = "" if can_be_undone(one) else "ever" if one.expires is None else age(one.expires - now)
    return (
        Span(str(one.id), "dim"),
        Span(f"{age(now - one.at)} ago", "dim"),
        Span(one.state, style),
        Span(one.summary, "dim" if can_be_undone(one) else "plain"),
        Span(left),
    )
