"""The attempts of a race side by side, for any width, and what is known about one of them. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from terok_util import safe_text

from terok.model import race_text
from terok.model.race import is_judgeable
from terok.tui.views.text import Line, Span, cropped, fit, said, several, wrapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from terok.model.race import Column, Standing
    from terok.services.race_board import Board

NARROW: Final = 60
WIDE: Final = 110


class _Cell(NamedTuple):
    """A column: its title, its width where there is room and where there is less, and what stands in it.

    It is left out below `least` cells; `best` is the name by which the board says who has the least.
    """

    title: str
    wide: int
    small: int
    text: Callable[[Standing], str]
    least: int = 0
    right: bool = False
    best: Column | None = None


_COLUMNS: Final = (
    _Cell("AGENT", 24, 8, race_text.agent),
    _Cell("STATE", 18, 10, race_text.state),
    _Cell("CHECK", 16, 8, race_text.check),
    _Cell("COST", 10, 9, race_text.cost, NARROW, right=True, best="cost"),
    _Cell("TIME", 8, 7, race_text.duration, NARROW, right=True, best="seconds"),
    _Cell("FINDS", 7, 6, race_text.findings, NARROW, right=True, best="findings"),
    _Cell("CHANGE", 30, 16, race_text.size, NARROW, best="size"),
)


def head(board: Board, cells: int) -> list[Line]:
    """Return the lines above the attempts: what was asked, how it is checked, and the titles of the columns."""
    race = board.race
    asked = " ".join(safe_text(race.prompt, limit=500).split())
    lines: list[Line] = [
        (said(f"{race.project}/{race.name}", "bold"), said(f" from {race.base[:12]}: {asked}")),
        *([(Span("check: ", "dim"), said(race.command))] if race.command else []),
        (Span(f"{'N':>3} {'TASK':5}{_titles(cells)}", "dim"),),
    ]
    return [cropped(line, cells) for line in lines]


def _titles(cells: int) -> str:
    return "".join(f" {fit(column.title, _width(column, cells), right=column.right)}" for column in _shown(cells))


def _shown(cells: int) -> Iterator[_Cell]:
    return (column for column in _COLUMNS if cells >= column.least)


def _width(column: _Cell, cells: int) -> int:
    return column.wide if cells >= WIDE else column.small


def attempt_line(one: Standing, board: Board, short: Mapping[str, str], cells: int) -> Line:
    """Return the line of an attempt; `*` marks the least of those that can be judged."""
    style = "review" if is_judgeable(one) and one.fate == "here" else "dim" if one.fate != "here" else "plain"
    spans = [Span(f"{one.number:>3} ", "bold"), Span(fit(short.get(one.task, one.task), 5), "dim")]
    for column in _shown(cells):
        best = column.best is not None and one.number in board.least.get(column.best, ())
        text = f"{column.text(one)}*" if best else column.text(one)
        room = _width(column, cells)
        spans += [Span(" "), Span(fit(text, room, right=column.right), "bold" if best else _look(column, one, style))]
    return cropped(tuple(spans), cells)


def _look(column: _Cell, one: Standing, style: str) -> str:
    if column.title == "CHECK" and one.check.word in ("failed", "timed out", "too much output", "broken off"):
        return "error"
    return style if column.title == "STATE" else "plain"


def about(board: Board, one: Standing, cells: int) -> list[Line]:
    """Return what stands in no cell: where the work is, why something is missing, and which files others touch too."""
    work = f"{several(one.commits, 'commit')} on {one.branch} at {one.tip[:12]}" if one.tip else "nothing in the gate"
    lines: list[Line] = [(said(f"{one.number} {one.name}  ", "bold"), said(work, "dim"))]
    for note in race_text.notes(one):
        lines += [(Span(line, "needs"),) for line in wrapped(note, cells, limit=8)]
    shared = [(path, numbers) for path, numbers in board.shared.items() if one.number in numbers]
    if shared:
        lines.append((Span("files that others touch too:", "dim"),))
    for path, numbers in shared:
        others = ", ".join(str(number) for number in numbers if number != one.number)
        lines.append((said(f"  {path} ({others})"),))
    return [cropped(line, cells) for line in lines]


def other_of(board: Board, number: int) -> int | None:
    """Return the attempt that one is best compared with: the first that has brought something; None without one."""
    return next((one.number for one in board.standings if one.tip and one.number != number), None)
