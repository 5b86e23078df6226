"""The files of a review as a tree, and where a person is in it. Pure."""

from __future__ import annotations

from typing import Final, NamedTuple

from terok_util import safe_text

from terok.tui.views.review_remarks import counted
from terok.tui.views.text import Line, Span, fit, width

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from terok.model.hunks import FileDiff
    from terok.tui.views.review_remarks import Said

BESIDE: Final = 100
"""Cells of the terminal from which tree and lines stand side by side; below that one of them is seen."""
BESIDE_SPLIT: Final = 160
"""The same while two versions stand side by side."""
FILES, LINES = "files", "lines"


class Entry(NamedTuple):
    """One line of the tree: a file, a directory (`file` is None), or the whole (neither)."""

    name: str
    file: FileDiff | None = None
    folder: bool = False

    @property
    def path(self) -> str:
        """The path of the file, "" for what is none."""
        return self.file.path if self.file is not None else ""


class Spot(NamedTuple):
    """Where a person is: the line of the tree, the row of what it stands for, which of both has the keys.

    `anchor` is the other end of a range of rows.
    """

    entry: int = 0
    row: int = 0
    region: str = FILES
    split: bool = False
    anchor: int | None = None


def entries(files: Sequence[FileDiff], *, whole: str = "") -> tuple[Entry, ...]:
    """Return the tree of changed files, in git's order, below what is said about the `whole` of them."""
    found = [Entry(whole)] if whole else []
    before = ""
    for file in files:
        folder, _, name = file.path.rpartition("/")
        if folder != before:
            found.append(Entry(f"{folder or '.'}/", folder=True))
            before = folder
        found.append(Entry(name, file))
    return tuple(found)


def moved(tree: Sequence[Entry], at: int, steps: int) -> int:
    """Return the line of the tree that is `steps` files away, at an end the last one there."""
    stops = [number for number, entry in enumerate(tree) if not entry.folder]
    if not stops:
        return 0
    here = sum(number < at for number in stops)
    return stops[min(max(here + steps, 0), len(stops) - 1)]


def entry_of(tree: Sequence[Entry], path: str, *, at: int = 0) -> int:
    """Return the line of a file, of the whole for "", or the one nearest to `at`."""
    found = (number for number, one in enumerate(tree) if not one.folder and one.path == path)
    return next(found, moved(tree, min(at, max(len(tree) - 1, 0)), 0))


def next_said(tree: Sequence[Entry], at: int, step: int, said: Said) -> int | None:
    """Return the next line of the tree, in either direction, about which something is said."""
    numbers = range(at + 1, len(tree)) if step > 0 else range(at - 1, -1, -1)
    return next((number for number in numbers if not tree[number].folder and said.get(tree[number].path)), None)


def stand_beside(cells: int, *, split: bool) -> bool:
    """Whether tree and lines are both seen."""
    return cells >= (BESIDE_SPLIT if split else BESIDE)


def entry_line(
    entry: Entry,
    cells: int,
    *,
    counts: Mapping[str, tuple[int, int]],
    viewed: bool,
    said: Said,
    chosen: bool = False,
) -> Line:
    """Return a line of the tree; `counts` are lines added and deleted, `chosen` marks the file that is shown."""
    if entry.folder:
        return (Span(fit(safe_text(entry.name), cells), "dim"),)
    mark = Span(">" if chosen else " ", "bold")
    remarks = counted(said.get(entry.path, ()))
    right: list[Span] = [Span(f" {remarks}", "needs")] if remarks else []
    if entry.file is None:
        name = Span(fit(entry.name, max(cells - 1 - width(right), 0)), "bold")
        return (mark, name, *right)
    added, deleted = counts.get(entry.path, (None, None))
    if added is not None:
        right += [Span(f" +{added}", "added"), Span(f" -{deleted}", "removed")]
    left = (mark, Span("[x] " if viewed else "[ ] ", "dim"), Span(f"{entry.file.status} ", "meta"))
    room = max(cells - width(left) - width(right), 0)
    return (*left, Span(fit(entry.name, room), "dim" if viewed else "bold" if chosen else "plain"), *right)
