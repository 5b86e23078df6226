"""Bars of text, and tables that leave columns out where a terminal is narrow. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from terok_util import safe_text

if TYPE_CHECKING:
    from collections.abc import Sequence

EIGHTHS: Final = " ▏▎▍▌▋▊▉█"
LONGEST: Final = 20
SHORTEST: Final = 5
"""Cells of a bar; where there is no room for a short one there is none."""
_NAME: Final = 12
"""Cells that a name may be cut to."""


def bar(share: float, cells: int, *, plain: bool = False) -> str:
    """Return a bar of at most `cells` for a share from 0 to 1; a share above 0 shows, `plain` is ASCII."""
    share = min(max(share, 0.0), 1.0)
    if plain:
        return "#" * max(round(share * cells), share > 0)
    eighths = max(round(share * cells * 8), int(share > 0))
    return EIGHTHS[8] * (eighths // 8) + EIGHTHS[eighths % 8].strip()


def percent(share: float) -> str:
    """Return a share as a person reads it."""
    return "<1%" if 0 < share < 0.01 else f"{share * 100:.0f}%"


def fitting(
    titles: Sequence[str], rows: Sequence[Sequence[str]], width: int | None, drop: Sequence[int] = ()
) -> tuple[list[list[str]], int]:
    """Return titles and rows as a table has them, and the cells left beside it; a `width` of None has room for all.

    Where it is too narrow the columns `drop` are left out one after the other, then names, the first column, are cut.
    """
    lines = [[safe_text(str(cell)) for cell in line] for line in (titles, *rows)]
    columns, used = list(range(len(titles))), 0
    for gone in (None, *drop):
        columns = [column for column in columns if column != gone]
        used = sum(max(len(line[column]) for line in lines) for column in columns) + 2 * (len(columns) - 1)
        if width is None or used <= width:
            break
    kept = [[line[column] for column in columns] for line in lines]
    if width is None:
        return kept, LONGEST
    if used > width:
        longest = max(len(line[0]) for line in kept)
        room = max(_NAME, longest - (used - width))
        kept = [[line[0] if len(line[0]) <= room else line[0][: room - 1] + "…", *line[1:]] for line in kept]
    return kept, max(0, width - used)
