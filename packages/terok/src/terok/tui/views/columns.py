"""Tables for any width: columns that are left out or cut where it is narrow, or labeled lines. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple

from rich.cells import cell_len
from terok_util import safe_text

from terok.tui.views.text import Line, Span, fit, plain

_LEAST: Final = 8
"""Cells that a cut column keeps."""
_LONGEST: Final = 400
_BETWEEN: Final = "  "


class Table(NamedTuple):
    """Rows of cells. Where it is narrow the columns `drop` are left out one after the other, then `cut` is cut.

    `right` are the columns of numbers. `empty` is what is said without rows.
    """

    titles: tuple[str, ...]
    rows: tuple[tuple[Span, ...], ...]
    empty: str = "there is nothing"
    drop: tuple[int, ...] = ()
    cut: int = 0
    right: frozenset[int] = frozenset()


def columns(table: Table, cells: int) -> list[Line]:
    """Return a table as lines that fit into `cells`, the titles first."""
    titles = tuple(Span(title, "dim") for title in table.titles)
    texts = [[_safe(span) for span in row] for row in (titles, *table.rows)]
    widths = [max(cell_len(row[number].text) for row in texts) for number in range(len(titles))]
    shown = list(range(len(titles)))
    for gone in (None, *table.drop):
        shown = [number for number in shown if number != gone]
        if _width(widths, shown) <= cells:
            break
    if (over := _width(widths, shown) - cells) > 0:
        widths[table.cut] = max(widths[table.cut] - over, _LEAST)
    return [_line(row, widths, shown, table.right, cells) for row in texts]


def labeled(table: Table) -> list[str]:
    """Return the rows of a table as lines with the titles as labels, without columns that are empty."""
    return [
        "; ".join(
            f"{title.lower()} {text}".strip()
            for title, span in zip(table.titles, row, strict=True)
            if (text := _safe(span).text.strip())
        )
        for row in table.rows
    ] or [table.empty]


def flat(lines: Sequence[Line]) -> list[str]:
    """Return lines as text, without those that are empty."""
    return [text for line in lines if (text := plain(line).rstrip())]


def _safe(span: Span) -> Span:
    return Span(safe_text(span.text, limit=_LONGEST), span.style)


def _width(widths: Sequence[int], shown: Sequence[int]) -> int:
    return sum(widths[number] for number in shown) + len(_BETWEEN) * (len(shown) - 1)


def _line(row: Sequence[Span], widths: Sequence[int], shown: Sequence[int], right: frozenset[int], cells: int) -> Line:
    line: list[Span] = []
    left = cells
    for place, number in enumerate(shown):
        if place and left > 0:
            line.append(Span(_BETWEEN[:left]))
            left -= len(_BETWEEN)
        size = min(widths[number], max(left, 0))
        line.append(Span(fit(row[number].text, size, right=number in right), row[number].style))
        left -= size
    return tuple(line)
