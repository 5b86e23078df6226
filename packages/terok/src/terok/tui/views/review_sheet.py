"""The rows of one file of a review: its hunks, long lines in several pieces, and each remark below its line. Pure.

A sheet is made for one width, in a thread; a row becomes text when it is drawn.
"""

from __future__ import annotations

from collections import defaultdict
from typing import Final, NamedTuple

from rich.cells import cell_len
from terok_util import safe_text

from terok.model.anchors import Place
from terok.model.diff_rows import side_by_side
from terok.model.diff_text import heading, shown_lines
from terok.tui.views.text import wrapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from terok.model.hunks import FileDiff, Hunk
    from terok.model.hunks import Line as Code
    from terok.tui.views.review_remarks import Remark

NUMBER: Final = 5
"""Cells of the number of a line."""
INDENT: Final = 6
"""Cells in front of a remark."""
SPLIT_FROM: Final = 120
"""Cells of the terminal from which two versions may stand side by side."""
_LONGEST: Final = 200
"""Lines of one comment that are shown."""
_WIDENS: Final = "\ufe0f"
"""May make the character before it wide."""
_NEAR: Final = 64
"""Rows above one that is gone, of which the first that is left is gone to."""


class Row(NamedTuple):
    """One row: code (`old`, `new` or both, the piece `part` of it), a remark, the head of a hunk, or any other text."""

    kind: str
    text: str = ""
    style: str = "plain"
    old: Code | None = None
    new: Code | None = None
    part: int = 0
    remark: Remark | None = None


class Sheet(NamedTuple):
    """The rows of a file for one width, and the safe text of its lines."""

    path: str
    cells: int
    split: bool
    rows: tuple[Row, ...]
    texts: Mapping[Code, str]
    hunks: tuple[Hunk, ...] = ()


def sheet(file: FileDiff, remarks: Sequence[Remark], cells: int, *, split: bool = False, missing: str = "") -> Sheet:
    """Return the rows of a file; `missing` says why there are no lines of it. MalformedDiff for what is not a patch."""
    hunks = file.hunks()
    texts = {line: text for hunk in hunks for line, text in shown_lines(hunk).items()}
    numbers = {(side, number) for line in texts for side, number in (("old", line.old), ("new", line.new)) if number}
    below: dict[tuple[str, int | None], list[Remark]] = defaultdict(list)
    rows = [Row("file", heading(file), "bold")]
    for remark in remarks:
        if (remark.side, remark.line) in numbers:
            below[remark.side, remark.line].append(remark)
        else:
            rows += remark_rows(remark, cells, placed=remark.elsewhere)
    if said := missing or _without_lines(file, hunks):
        rows.append(Row("text", said, "dim"))
    room = room_of(cells, split=split)
    for hunk in hunks:
        title = safe_text(hunk.heading, limit=120)
        rows.append(Row("hunk", f"@@ {hunk.old} {hunk.new} @@ {title}".rstrip(), "meta"))
        for old, new in side_by_side(hunk) if split else _one_by_one(hunk):
            parts = max(len(pieces(texts[line], room)) for line in (old, new) if line is not None)
            rows += [Row("code", old=old, new=new, part=part) for part in range(parts)]
            for key in (("old", old.old if old is not None else None), ("new", new.new if new is not None else None)):
                rows += [row for one in below.get(key, ()) for row in remark_rows(one, cells)]
    return Sheet(file.path, cells, split, tuple(rows), texts, hunks)


def remark_rows(remark: Remark, cells: int, *, placed: bool = False) -> Iterator[Row]:
    """Yield the rows of a finding or comment, with the name of its place where it does not stand at it."""
    where = f"{remark.place}: " if placed and remark.place else ""
    style = "bold" if remark.comment else "needs"
    indent = 2 if remark.answer else 0
    room = max(cells - INDENT - 2 - indent, 8)
    lines = wrapped(f"{where}{'' if remark.comment else '! '}{remark.head}", room)
    if remark.text:
        lines += wrapped(remark.text, room, limit=_LONGEST)
    for part, line in enumerate(lines):
        yield Row("remark", " " * indent + line, style if part == 0 else "plain", part=part, remark=remark)


def room_of(cells: int, *, split: bool) -> int:
    """Return how many cells a line of code has: of a unified diff, or on one of two sides."""
    return max((cells - 2) // 2 - NUMBER - 2 if split else cells - 2 * NUMBER - 4, 4)


def pieces(text: str, room: int) -> list[tuple[int, int]]:
    """Return where a text is cut so that no piece takes more than `room` cells; an empty text is one piece."""
    if text.isascii():
        return [(at, min(at + room, len(text))) for at in range(0, max(len(text), 1), room)]
    found, start, taken = [], 0, 0
    for at, char in enumerate(text):
        wide = 1 if char == _WIDENS else cell_len(char)
        if taken + wide > room and at > start:
            found.append((start, at))
            start, taken = at, 0
        taken += wide
    return [*found, (start, len(text))]


def place_of(rows: Sequence[Row], first: int, last: int, path: str, *, since: bool) -> str | None:
    """Return the place of a comment on these rows, as `terok review --comment` takes it; None if it can have none.

    On a comment it is an answer; lines that are only in the older version can have one while all changes are shown.
    """
    chosen = rows[min(first, last) : max(first, last) + 1]
    remark = chosen[0].remark if len(chosen) == 1 else None
    if remark is not None and remark.comment:
        return f"#{remark.comment}"
    if not path:
        return path
    if remark is not None:
        return str(Place(path, remark.line, remark.line)) if remark.side == "new" else path
    code = [row for row in chosen if row.kind == "code"]
    if not code:
        return path
    new = [row.new.new for row in code if row.new is not None and row.new.new is not None]
    if new:
        return str(Place(path, min(new), max(new)))
    old = [row.old.old for row in code if row.old is not None and row.old.old is not None]
    return None if since else str(Place(path, min(old), max(old), "old"))


def next_row(rows: Sequence[Row], at: int, step: int, kind: str) -> int | None:
    """Return the next row, in either direction, with which a hunk or a remark begins."""
    numbers = range(at + 1, len(rows)) if step > 0 else range(min(at, len(rows)) - 1, -1, -1)
    return next((number for number in numbers if rows[number].kind == kind and rows[number].part == 0), None)


def same_row(rows: Sequence[Row], before: Sequence[Row], at: int) -> int:
    """Return where a row is after the sheet was made anew: the same line, else the nearest above it that is left."""
    wanted: dict[object, int] = {}
    for number in range(min(at, len(before) - 1), max(at - _NEAR, -1), -1):
        wanted.setdefault(_identity(before[number]), at - number)
    best, found = _NEAR, min(at, max(len(rows) - 1, 0))
    for number, row in enumerate(rows):
        if (far := wanted.get(_identity(row), best)) < best:
            best, found = far, number
    return found


def _identity(row: Row) -> tuple[object, ...]:
    if row.kind == "code":
        return ("new", row.new.new) if row.new is not None else ("old", row.old and row.old.old)
    if row.remark is not None:
        return row.kind, row.remark.comment, row.remark.place, row.remark.head
    return row.kind, row.text


def _one_by_one(hunk: Hunk) -> Iterator[tuple[Code | None, Code | None]]:
    for line in hunk.lines:
        yield (line if line.kind in " -" else None, line if line.kind in " +" else None)


def _without_lines(file: FileDiff, hunks: Iterable[Hunk]) -> str:
    if any(True for _ in hunks):
        return ""
    if file.binary:
        return "a binary file: no lines of it are shown"
    return "no line of it has changed" + ("" if file.old_mode == file.new_mode else ", only its mode")
