"""The screen as lines of cells, made of what Textual writes to a terminal; pure.

Only what Textual writes has a meaning here: places, looks, the title and the clipboard. Anything else is left out, and
no control character gets into a cell.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from itertools import groupby
from typing import Final, NamedTuple

from rich.cells import get_character_cell_size

PLAIN: Final = ""
"""The look of cells without one; else flags, foreground and background, such as `bu;1;#102030`."""
_BLANK: Final = (" ", PLAIN)
_TOKEN: Final = re.compile(
    r"\x1b\[(?P<values>[0-9;:<=>?]*)[ -/]*(?P<verb>[@-~])"
    r"|\x1b\](?P<order>\d+);(?P<text>[^\x07\x1b]*)(?:\x07|\x1b\\)"
    r"|\x1b.?|(?P<words>[^\x00-\x1f\x7f-\x9f]+)|(?P<control>.)",
    re.DOTALL,
)
_FLAGS: Final = {1: "b", 2: "d", 3: "i", 4: "u", 7: "r", 9: "s"}
_OFF: Final = {22: "bd", 23: "i", 24: "u", 27: "r", 29: "s"}
_MOST_TITLE: Final = 200
Runs = list[tuple[str, int, str]]


class Look(NamedTuple):
    """How cells look: flags, and colors as a number of the palette, `#rrggbb`, or "" for the usual one."""

    flags: str = ""
    fore: str = ""
    back: str = ""

    def __str__(self) -> str:
        return f"{self.flags};{self.fore};{self.back}" if any(self) else PLAIN


class Picture:
    """A screen of `cells` times `lines`; says which lines have changed since it was asked last."""

    def __init__(self, cells: int, lines: int) -> None:
        self.title: str | None = None
        """The new name of the window, None if it has not changed."""
        self.copied: str | None = None
        """Text that was copied, None for none."""
        self._look, self._written = Look(), PLAIN
        self._x = self._y = 0
        self.resize(cells, lines)

    def resize(self, cells: int, lines: int) -> None:
        """Begin anew in another size."""
        self._cells = cells
        self._rows = [[_BLANK] * cells for _ in range(lines)]
        self._sent: list[Runs | None] = [None] * lines
        self._touched = set(range(lines))

    @property
    def size(self) -> tuple[int, int]:
        """Cells and lines."""
        return self._cells, len(self._rows)

    def again(self) -> None:
        """Say every line anew, to somebody who has seen none."""
        self._sent = [None] * len(self._rows)
        self._touched = set(range(len(self._rows)))

    def write(self, text: str) -> None:
        """Take what is written to the terminal."""
        for token in _TOKEN.finditer(text):
            kind = token.lastgroup
            if kind == "words":
                self._put(token["words"])
            elif kind == "verb":
                self._control(token["verb"], token["values"])
            elif kind == "text":
                self._order(token["order"], token["text"])
            elif token["control"] == "\n":
                self._x, self._y = 0, self._y + 1
            elif token["control"] == "\r":
                self._x = 0

    def changes(self) -> list[tuple[int, Runs]]:
        """Return the lines that look other than when they were returned last, as runs of text, cells and look."""
        found = []
        for number in sorted(self._touched):
            runs = list(_runs(self._rows[number]))
            if runs != self._sent[number]:
                self._sent[number] = runs
                found.append((number, runs))
        self._touched.clear()
        return found

    def _put(self, text: str) -> None:
        if not 0 <= self._y < len(self._rows):
            return
        row = self._rows[self._y]
        self._touched.add(self._y)
        for character in text:
            size = get_character_cell_size(character)
            if size == 0:
                if 0 < self._x <= self._cells:
                    before = self._x - 1 if row[self._x - 1][0] else self._x - 2
                    row[before] = (row[before][0] + character, row[before][1])
                continue
            if self._x + size > self._cells:
                return
            self._clear(row, self._x, size)
            row[self._x] = (character, self._written)
            if size == 2:
                row[self._x + 1] = ("", self._written)
            self._x += size

    @staticmethod
    def _clear(row: list[tuple[str, str]], at: int, size: int) -> None:
        """Take away halves of wide characters that would be left."""
        if row[at][0] == "" and at > 0:
            row[at - 1] = (" ", row[at - 1][1])
        if at + size < len(row) and row[at + size][0] == "":
            row[at + size] = (" ", row[at + size][1])

    def _control(self, verb: str, values: str) -> None:
        if verb == "m" and (not values or values[0].isdigit() or values[0] == ";"):
            self._look = _after(self._look, values)
            self._written = str(self._look)
        elif verb == "H":
            row, _, column = values.partition(";")
            self._y, self._x = _number(row) - 1, _number(column) - 1
        elif verb == "J":
            self._rows = [[_BLANK] * self._cells for _ in self._rows]
            self._touched = set(range(len(self._rows)))

    def _order(self, order: str, text: str) -> None:
        if order == "2":
            self.title = text[:_MOST_TITLE]
        elif order == "52":
            try:
                self.copied = base64.b64decode(text.partition(";")[2], validate=True).decode("utf-8", "replace")
            except (binascii.Error, ValueError):
                return


def _number(text: str) -> int:
    return max(1, int(text)) if text.isdigit() and len(text) < 6 else 1


def _after(look: Look, values: str) -> Look:
    """Return a look after the numbers of a sequence that changes it."""
    numbers = [int(word) if word.isdigit() and len(word) < 6 else 0 for word in re.split("[;:]", values)]
    rest = iter(numbers)
    for number in rest:
        if number == 0:
            look = Look()
        elif number in _FLAGS:
            look = look._replace(flags="".join(sorted({*look.flags, _FLAGS[number]})))
        elif number in _OFF:
            look = look._replace(flags="".join(flag for flag in look.flags if flag not in _OFF[number]))
        elif number in (38, 48):
            color = _color(rest)
            look = look._replace(fore=color) if number == 38 else look._replace(back=color)
        else:
            look = _of_palette(look, number)
    return look


def _of_palette(look: Look, number: int) -> Look:
    for first, offset in ((30, 0), (90, 8)):
        if first <= number < first + 8:
            return look._replace(fore=str(number - first + offset))
        if first + 10 <= number < first + 18:
            return look._replace(back=str(number - first - 10 + offset))
    if number == 39:
        return look._replace(fore="")
    if number == 49:
        return look._replace(back="")
    return look


def _color(rest: Iterator[int]) -> str:
    """Return the color that the numbers behind 38 or 48 name."""
    kind = next(rest, 0)
    if kind == 2:
        red, green, blue = (min(next(rest, 0), 255) for _ in range(3))
        return f"#{red:02x}{green:02x}{blue:02x}"
    if kind != 5:
        return ""
    number = min(next(rest, 0), 255)
    if number < 16:
        return str(number)
    if number >= 232:
        return "#" + f"{8 + 10 * (number - 232):02x}" * 3
    parts = divmod(number - 16, 36)[0], (number - 16) // 6 % 6, (number - 16) % 6
    return "#" + "".join(f"{0 if part == 0 else 55 + 40 * part:02x}" for part in parts)


def _runs(row: list[tuple[str, str]]) -> Iterator[tuple[str, int, str]]:
    """Return cells of one look as one piece, and what may be wider than a font says as a piece of its own."""
    for (usual, look), cells in groupby(enumerate(row), key=lambda one: (_usual(row, one[0]), one[1][1])):
        texts = [text for _, (text, _) in cells]
        if usual:
            yield "".join(texts), len(texts), look
            continue
        wide: list[tuple[str, int]] = []
        for text in texts:
            if text:
                wide.append((text, 1))
            elif wide:
                wide[-1] = (wide[-1][0], 2)
        for text, size in wide:
            yield text, size, look


def _usual(row: list[tuple[str, str]], at: int) -> bool:
    """Return whether every font has the cell's character in one cell: ASCII, and what lines are drawn with."""
    text = row[at][0]
    return len(text) == 1 and (text < "\x7f" or "\u2500" <= text <= "\u257f")
