"""Reviews and races as flat lines with labels, for screen readers and slow lines. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Final

from terok_util import safe_text

from terok.model import race_text
from terok.model.diff_text import heading
from terok.tui.views.review_lines import row_line
from terok.tui.views.review_remarks import counted
from terok.tui.views.text import plain

if TYPE_CHECKING:
    from terok.services.race_board import Board
    from terok.services.review_look import Look
    from terok.tui.views.review_remarks import Said
    from terok.tui.views.review_sheet import Sheet

CELLS: Final = 100
"""Cells for which lines are broken."""


def file_lines(look: Look, said: Said, counts: Mapping[str, tuple[int, int]]) -> Iterator[str]:
    """Yield the changed files, with the numbers by which they are shown."""
    for number, file in enumerate(look.changes.files, 1):
        added, deleted = counts.get(file.path, (0, 0))
        parts = [
            f"{number}. {heading(file)}",
            f"{added} lines added, {deleted} deleted",
            *(["viewed"] if (file.path, file.new_blob) in look.viewed else []),
            *([f"remarks {counted(said[file.path])}"] if said.get(file.path) else []),
        ]
        yield "; ".join(parts)


def sheet_lines(sheet: Sheet) -> Iterator[str]:
    """Yield the rows of a file, or of what is to be read before the files."""
    return (plain(row_line(row, sheet, {})).rstrip() for row in sheet.rows)


def attempt_lines(board: Board) -> Iterator[str]:
    """Yield the attempts of a race, each with everything that speaks for it."""
    for one in board.standings:
        best = [column for column, numbers in board.least.items() if one.number in numbers]
        parts = [
            f"{one.number}. {race_text.state(one)}: {one.name} by {race_text.agent(one)}",
            *([f"check {race_text.check(one)}"] if board.race.command else []),
            f"cost {race_text.cost(one)}",
            f"time {race_text.duration(one)}",
            f"change {race_text.size(one)}",
            f"findings {race_text.findings(one)}",
            *([f"the least {', '.join(best)}"] if best else []),
        ]
        yield safe_text("; ".join(parts), limit=600)
        yield from (safe_text(note) for note in race_text.notes(one))
