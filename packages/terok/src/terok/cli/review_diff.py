"""Changed files as lines of text: numbered, unified or side by side, with comments and findings where they belong."""

from __future__ import annotations

import os
import sys
import unicodedata
from collections import defaultdict
from typing import TYPE_CHECKING, Final

from terok_util import LeanTuple, safe_text

from terok.model.diff_rows import Spans, side_by_side, word_changes
from terok.model.diff_text import TAB, line_end, shown_lines

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

    from terok.model.hunks import FileDiff, Hunk, Line

    Remarks = Mapping[tuple[str, int], Sequence[str]]
    """Lines of text by side (`new` or `old`) and number of the line that they are about."""

RED: Final = "31"
GREEN: Final = "32"
CYAN: Final = "36"
BOLD: Final = "1"
REVERSED: Final = "7"
_NUMBER: Final = 5
_NARROW: Final = 60
"""Columns below which two files do not stand side by side."""


class Style(LeanTuple):
    """How a diff is shown. `paint` takes text and an SGR code; `syntax` gives the lines of a text colors, by path."""

    split: bool = False
    words: bool = False
    paint: Callable[[str, str], str] = lambda text, code: text
    syntax: Callable[[str, Sequence[str]], list[str]] | None = None
    columns: int = 160


def painter(stream: object = None) -> Callable[[str, str], str]:
    """Return a function that colors text for a terminal that wants it, and leaves it alone for anything else."""
    out = sys.stdout if stream is None else stream
    wanted = (
        getattr(out, "isatty", lambda: False)() and not os.environ.get("NO_COLOR") and os.environ.get("TERM") != "dumb"
    )
    return (lambda text, code: f"\x1b[{code}m{text}\x1b[0m" if text else text) if wanted else Style().paint


def file_lines(file: FileDiff, style: Style, remarks: Remarks) -> Iterator[str]:
    """Yield the hunks of a file, each remark below its line."""
    for hunk in file.hunks():
        head = safe_text(hunk.heading, limit=120)
        yield style.paint(f"@@ {hunk.old} {hunk.new} @@{f' {head}' if head else ''}", CYAN)
        texts = _texts(file, hunk, style)
        if style.split and style.columns >= _NARROW:
            yield from _split(hunk, texts, style, remarks)
        else:
            yield from _unified(hunk, texts, style, remarks)


def _unified(hunk: Hunk, texts: Mapping[Line, str], style: Style, remarks: Remarks) -> Iterator[str]:
    for line in hunk.lines:
        numbers = f"{_number(line.old)} {_number(line.new)} "
        yield f"{numbers}{style.paint(line.kind, _color(line)) if line.kind != ' ' else ' '}{texts[line]}"
        yield from _below(line, style, remarks)


def _split(hunk: Hunk, texts: Mapping[Line, str], style: Style, remarks: Remarks) -> Iterator[str]:
    room = (style.columns - 3) // 2 - _NUMBER - 2
    for old, new in side_by_side(hunk):
        left = _cell(old, old.old if old else None, texts, style, room)
        right = _cell(new, new.new if new else None, texts, style, room)
        for number in range(max(len(left), len(right))):
            first = left[number] if number < len(left) else " " * (room + _NUMBER + 2)
            yield f"{first} | {right[number] if number < len(right) else ''}".rstrip()
        for line in dict.fromkeys(one for one in (old, new) if one is not None):
            yield from _below(line, style, remarks)


def _cell(line: Line | None, number: int | None, texts: Mapping[Line, str], style: Style, room: int) -> list[str]:
    """Return the lines that one side takes, each as wide as the side is."""
    if line is None:
        return []
    sign = style.paint(line.kind, _color(line)) if line.kind != " " else " "
    first = f"{_number(number)} {sign}"
    rest = " " * (_NUMBER + 2)
    return [
        f"{rest if place else first}{part}{' ' * (room - _width(part))}"
        for place, part in enumerate(_folded(texts[line], room))
    ]


def _texts(file: FileDiff, hunk: Hunk, style: Style) -> dict[Line, str]:
    """Return what is shown of every line of a hunk: safe, with colors if there are any."""
    shown = shown_lines(hunk)
    changed = word_changes(hunk) if style.words else {}
    if style.syntax is not None and not style.words:
        for kinds in (" -", " +"):
            lines = [line for line in hunk.lines if line.kind in kinds]
            colored = style.syntax(file.path, [shown[line] for line in lines])
            shown |= {
                line: text for line, text in zip(lines, colored, strict=True) if line.kind == kinds[1] or kinds == " +"
            }
        return shown
    return {
        line: _marked(line, changed[line], style)
        if line in changed
        else (text if line.kind == " " else style.paint(text, _color(line)))
        for line, text in shown.items()
    }


def _marked(line: Line, spans: Spans, style: Style) -> str:
    """Return a line with its changed words marked, by signs where there are no colors."""
    color, at, parts = _color(line), 0, []
    plain = style.paint("x", REVERSED) == "x"
    signs = ("[-", "-]") if line.kind == "-" else ("{+", "+}")
    for start, end in spans:
        parts.append(style.paint(_spaced(line.text[at:start]), color))
        word = _spaced(line.text[start:end])
        parts.append(f"{signs[0]}{word}{signs[1]}" if plain else style.paint(word, f"{color};{REVERSED}"))
        at = end
    parts.append(style.paint(_spaced(line.text[at:].removesuffix("\r")), color))
    return "".join(parts) + line_end(line)


def _spaced(part: str) -> str:
    return safe_text(part.replace("\t", " " * TAB))


def _below(line: Line, style: Style, remarks: Remarks) -> Iterator[str]:
    for side, number in (("new", line.new), ("old", line.old)):
        for text in remarks.get((side, number), ()) if number is not None else ():
            yield style.paint(f"{'':{2 * _NUMBER + 2}}| {text}", BOLD)


def _color(line: Line) -> str:
    return RED if line.kind == "-" else GREEN


def _number(number: int | None) -> str:
    return f"{number if number is not None else '':>{_NUMBER}}"


def _folded(text: str, room: int) -> list[str]:
    """Return a text in pieces of at most `room` columns; SGR codes take none."""
    parts, part, used, at = [], "", 0, 0
    while at < len(text):
        if text[at] == "\x1b":
            end = text.index("m", at) + 1
            part += text[at:end]
            at = end
            continue
        wide = _columns(text[at])
        if used + wide > room:
            parts.append(part)
            part, used = "", 0
        part += text[at]
        used += wide
        at += 1
    return [*parts, part]


def _width(text: str) -> int:
    width, at = 0, 0
    while at < len(text):
        if text[at] == "\x1b":
            at = text.index("m", at) + 1
            continue
        width += _columns(text[at])
        at += 1
    return width


def _columns(char: str) -> int:
    return 0 if unicodedata.combining(char) else 2 if unicodedata.east_asian_width(char) in "WF" else 1


def gathered(rows: Iterable[tuple[str, str, int, str]]) -> dict[str, dict[tuple[str, int], list[str]]]:
    """Return remarks by path, and then by side and line; each row is a path, a side, a line and a text."""
    found: dict[str, dict[tuple[str, int], list[str]]] = defaultdict(lambda: defaultdict(list))
    for path, side, number, text in rows:
        found[path][side, number].append(text)
    return found
