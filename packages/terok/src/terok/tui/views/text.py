"""Lines of styled text: plain strings with the names of styles, measured in cells. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from rich.cells import cell_len, set_cell_size
from terok_util import safe_text

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

ELLIPSIS: Final = "…"
STYLES: Final = (
    *("plain", "dim", "bold", "title", "key", "error", "match", "link"),
    *("needs", "review", "working", "waiting", "over", "doubt"),
    *("added", "added-word", "removed", "removed-word", "meta"),
)
"""The names that a theme gives looks to. The second line are the groups of states."""


class Span(NamedTuple):
    """A piece of a line in one style. The text is shown as it is: nothing in it is markup."""

    text: str
    style: str = "plain"


Line = tuple[Span, ...]


def said(text: str, style: str = "plain") -> Span:
    """Return text that comes from anywhere, made safe, as a span."""
    return Span(safe_text(text, limit=4000), style)


def width(line: Iterable[Span]) -> int:
    """Return how many cells a line takes."""
    return sum(cell_len(span.text) for span in line)


def fit(text: str, cells: int, *, right: bool = False) -> str:
    """Return safe text that takes exactly `cells` cells: padded, on the left if `right`, or cut with an ellipsis."""
    text = safe_text(text, limit=max(cells, 1) * 2 + 8)
    taken = cell_len(text)
    if taken > cells:
        return set_cell_size(text, cells - 1) + ELLIPSIS if cells > 0 else ""
    space = " " * (cells - taken)
    return space + text if right else text + space


def cropped(line: Line, cells: int) -> Line:
    """Return the beginning of a line that fits into `cells`, with an ellipsis where something is cut."""
    if width(line) <= cells:
        return line
    kept: list[Span] = []
    left = cells - 1
    for span in line:
        taken = cell_len(span.text)
        if taken > left:
            return (*kept, Span(set_cell_size(span.text, max(left, 0)) + ELLIPSIS, span.style))
        kept.append(span)
        left -= taken
    return tuple(kept)


def wrapped(text: str, cells: int, *, limit: int = 100) -> list[str]:
    """Return safe text in lines of at most `cells`, broken at spaces where there are any; `limit` lines at most."""
    lines: list[str] = []
    cells = max(cells, 2)
    for paragraph in safe_text(text, limit=cells * limit * 2, multiline=True).split("\n"):
        lines += _paragraph(paragraph, cells)
        if len(lines) >= limit:
            break
    return lines[:limit]


def _paragraph(text: str, cells: int) -> list[str]:
    lines, line = [], ""
    for word in text.split(" "):
        joined = f"{line} {word}" if line else word
        if cell_len(joined) <= cells:
            line = joined
            continue
        if line:
            lines.append(line)
        line = word
        while cell_len(line) > cells:
            # A wide character may not fit into what is left of a line.
            head = set_cell_size(line, cells).rstrip() or line[:1]
            lines.append(head)
            line = line[len(head) :]
    return [*lines, line]


def plain(line: Iterable[Span]) -> str:
    """Return a line's text."""
    return "".join(span.text for span in line)
