"""A row of a review as styled text: unified, or the two versions side by side. Pure."""

from __future__ import annotations

from typing import Final

from terok.tui.views.review_sheet import INDENT, NUMBER, Row, Sheet, pieces, room_of
from terok.tui.views.text import Line, Span, cropped, width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok.model.hunks import Line as Code

    Colors = Mapping[Code, Line]
    """The whole text of lines in colors; of a line that is not there, the text is in the style of its kind."""

STYLES_OF: Final = {" ": "plain", "+": "added", "-": "removed"}
_CHOSEN: Final = Span(">", "match")


def row_line(row: Row, sheet: Sheet, colors: Colors, *, chosen: bool = False) -> Line:
    """Return a row; `chosen` marks it as part of a range."""
    mark = _CHOSEN if chosen else Span(" ")
    if row.kind == "code":
        return (mark, *(_split(row, sheet, colors) if sheet.split else _unified(row, sheet, colors)))
    if row.kind == "remark":
        bar = Span(f"{'':{INDENT - 1}}| ", "needs" if row.remark is not None and not row.remark.comment else "bold")
        return cropped((mark, bar, Span(row.text, row.style)), sheet.cells)
    return cropped((mark, Span(row.text, row.style)), sheet.cells)


def _unified(row: Row, sheet: Sheet, colors: Colors) -> Line:
    line = row.new if row.new is not None else row.old
    assert line is not None
    first = row.part == 0
    old, new = (row.old.old if row.old is not None else None), (row.new.new if row.new is not None else None)
    numbers = f"{_number(old, first)} {_number(new, first)} "
    return (*_numbered(line, numbers, first), *_piece(line, row.part, sheet, colors))


def _split(row: Row, sheet: Sheet, colors: Colors) -> Line:
    room = room_of(sheet.cells, split=True)
    sides: list[Line] = []
    for line, new in ((row.old, False), (row.new, True)):
        if line is None:
            sides.append((Span(" " * (NUMBER + 2 + room)),))
            continue
        parts = len(pieces(sheet.texts[line], room))
        text = _piece(line, row.part, sheet, colors) if row.part < parts else ()
        number = _number(line.new if new else line.old, row.part == 0)
        side = (*_numbered(line, f"{number} ", row.part == 0), *text)
        side = cropped(side, NUMBER + 2 + room)
        sides.append((*side, Span(" " * (NUMBER + 2 + room - width(side)))))
    return (*sides[0], Span("|", "dim"), *sides[1])


def _numbered(line: Code, numbers: str, first: bool) -> Line:
    style = STYLES_OF[line.kind]
    return Span(numbers, "dim" if line.kind == " " else style), Span(line.kind if first else " ", style)


def _number(number: int | None, first: bool) -> str:
    return f"{number if number and first else '':>{NUMBER}}"


def _piece(line: Code, part: int, sheet: Sheet, colors: Colors) -> Line:
    text = sheet.texts[line]
    start, end = pieces(text, room_of(sheet.cells, split=sheet.split))[part]
    return cut(colors.get(line) or (Span(text, STYLES_OF[line.kind]),), start, end)


def cut(line: Line, start: int, end: int) -> Line:
    """Return the characters from `start` to before `end` of a line."""
    found, at = [], 0
    for span in line:
        text = span.text[max(start - at, 0) : max(end - at, 0)]
        if text:
            found.append(Span(text, span.style))
        at += len(span.text)
    return tuple(found)
