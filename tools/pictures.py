"""Pictures of the terminal interface for the guides, drawn from the screens that its tests keep as text with looks.

The tests compare the text with what is on the screen, `tools/reference.py` the pictures with the text: no picture is
older than its screen.
"""

from __future__ import annotations

from html import escape
from itertools import groupby
from pathlib import Path
from typing import NamedTuple

from rich.cells import cell_len
from rich.style import Style

ROOT = Path(__file__).resolve().parent.parent
GRIDS = ROOT / "packages/terok/tests/unit/tui/grids"
PICTURES = ROOT / "docs/guides/pictures"
CELLS, LINES = 100, 30
WIDTH, HEIGHT, FONT, EDGE = 8, 18, 13, 8
"""Pixels of a cell, of a letter, and around everything."""
FORE, BACK = "#d6d6d6", "#111416"
PALETTE = (
    *("#3b4045", "#f2777a", "#8ccf7e", "#e5c76b", "#7aa6f2", "#d29be8", "#6cc7d0", "#d6d6d6"),
    *("#7d868e", "#ff9a9c", "#a9e59c", "#f7dd8c", "#a0c1ff", "#e6b8f7", "#93e2ea", "#ffffff"),
)
"""The sixteen colors of a terminal."""
_SPACE = "&#160;"
"""A space that no renderer takes away."""


class Grid(NamedTuple):
    """A screen: its lines, for each cell the letter of its look, and the looks by letter."""

    text: list[str]
    looks: list[str]
    legend: dict[str, Style]


def grids(text: str) -> list[Grid]:
    """Return the screens in a file of the tests, which stand below each other."""
    lines, found, at = text.split("\n"), [], 0
    while at + 2 * LINES + 2 <= len(lines):
        legend_at = at + 2 * LINES + 2
        end = next(number for number in range(legend_at, len(lines)) if not lines[number])
        legend = {line[0]: Style.parse(line[2:]) for line in lines[legend_at:end]}
        looks = lines[at + LINES + 1 : legend_at - 1]
        found.append(Grid(lines[at : at + LINES], looks, legend))
        at = end + 1
    return found


def svg(grid: Grid) -> str:
    """Return a screen as a picture."""
    width, height = CELLS * WIDTH + 2 * EDGE, LINES * HEIGHT + 2 * EDGE
    fonts = "ui-monospace, DejaVu Sans Mono, Menlo, Consolas, monospace"
    box = f'viewBox="0 0 {width} {height}" font-size="{FONT}" font-family="{fonts}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {box}>',
        f'<rect width="{width}" height="{height}" rx="6" fill="{BACK}"/>',
    ]
    for number, (text, looks) in enumerate(zip(grid.text, grid.looks, strict=True)):
        cells = [piece for character in text for piece in (character, *[""] * (cell_len(character) - 1))]
        cells += [" "] * (len(looks) - len(cells))
        for look, run in groupby(range(len(cells)), key=looks.ljust(len(cells)).__getitem__):
            places = list(run)
            said = "".join(cells[place] for place in places)
            parts += _piece(said, places, number, grid.legend.get(look, Style()))
    return "\n".join([*parts, "</svg>"]) + "\n"


def _piece(text: str, places: list[int], line: int, style: Style) -> list[str]:
    fore, back = _color(style.color, FORE), _color(style.bgcolor, "")
    if style.reverse:
        fore, back = back or BACK, fore
    x, y, width = EDGE + places[0] * WIDTH, EDGE + line * HEIGHT, len(places) * WIDTH
    made = [f'<rect x="{x}" y="{y}" width="{width}" height="{HEIGHT}" fill="{back}"/>'] if back else []
    if text.strip():
        more = ' font-weight="bold"' * bool(style.bold) + ' font-style="italic"' * bool(style.italic)
        more += ' opacity="0.72"' * bool(style.dim) + ' text-decoration="underline"' * bool(style.underline)
        made.append(
            f'<text x="{x}" y="{y + FONT}" textLength="{width}" lengthAdjust="spacingAndGlyphs" '
            f'fill="{fore}"{more}>{escape(text).replace(" ", _SPACE)}</text>'
        )
    return made


def _color(color: object, usual: str) -> str:
    number, triplet = getattr(color, "number", None), getattr(color, "triplet", None)
    if triplet is not None:
        return str(triplet.hex)
    return usual if number is None else PALETTE[number] if number < len(PALETTE) else usual


def pictures() -> dict[Path, str]:
    """Return every picture with its content."""
    found = {}
    for file in sorted(GRIDS.glob(f"*-{CELLS}x{LINES}.txt")):
        name = file.name.partition("-")[0]
        for number, grid in enumerate(grids(file.read_text("utf-8")), 1):
            found[PICTURES / (f"{name}.svg" if number == 1 else f"{name}-{number}.svg")] = svg(grid)
    return found
