"""Changed files to be read: their tree, and the lines of one of them beside it or, where there is no room, after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

from textual.containers import Horizontal
from textual.timer import Timer
from textual.widget import Widget

from terok.model.hunks import FileDiff
from terok.tui.background.review import Pair, Trouble, laid_out
from terok.tui.background.review_colors import colors_of
from terok.tui.screens.page import Page
from terok.tui.views.review import (
    FILES,
    LINES,
    Entry,
    Spot,
    entries,
    entry_line,
    entry_of,
    moved,
    next_said,
    stand_beside,
)
from terok.tui.views.review_lines import row_line
from terok.tui.views.review_sheet import SPLIT_FROM, Row, Sheet, next_row, same_row
from terok.tui.views.text import Line, said
from terok.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from terok.tui.views.review_lines import Colors
    from terok.tui.views.review_remarks import Said

_TREE: Final = ((150, 48), (0, 36))
"""Cells of the tree, by the width of the terminal from which it has them."""
_SOON: Final = 0.15
"""Seconds that a person stays with a file before it gets colors."""
_WHAT: Final = {"hunk": "change", "remark": "finding or comment"}

_Key = tuple[int, int, str, int, bool]


class OnDiff(Page):
    """A screen with changed files. `show_files` gives it what is to be read."""

    DEFAULT_CSS = """
    OnDiff #both { height: 1fr; }
    OnDiff #lines { width: 1fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.spot = Spot()
        self.tree_of: tuple[Entry, ...] = ()
        self.said: Said = {}
        self.viewed: frozenset[tuple[str, str]] = frozenset()
        self.line_counts: Mapping[str, tuple[int, int]] = {}
        self.trouble: Trouble | None = None
        self.pair: Pair | None = None
        self.all_lines = True
        """Whether the files have their lines, which otherwise are read one by one."""
        self._laid: tuple[FileDiff | None, Sheet] | None = None
        self._key: _Key | None = None
        self._asked: _Key | None = None
        self._goal: tuple[str, int] | None = None
        self._painted: tuple[tuple[int, str], Colors] | None = None
        self._painting = False
        self._soon: Timer | None = None
        self._edition = self._remarked = 0

    def body(self) -> Iterable[Widget]:
        """Return the tree and the lines."""
        return (Horizontal(Lines(id="files"), Lines(id="lines"), id="both"),)

    def look_again(self) -> None:
        """Read everything anew; `ignore_space` may have changed."""

    def whole_sheet(self, cells: int) -> Sheet:
        """Return what is said about all of it; called in a thread."""
        return Sheet("", cells, split=False, rows=(), texts={})

    def show_files(self, files: Sequence[FileDiff], said: Said, *, whole: str = "") -> None:
        """Show changed files; the cursor stays with its file."""
        before = self.entry
        self._edition += 1
        self.said, self.trouble = said, None
        self.tree_of = entries(files, whole=whole)
        at = moved(self.tree_of, 0, 0) if before is None else entry_of(self.tree_of, before.path, at=self.spot.entry)
        same = before is not None and self.tree_of and self.tree_of[at].path == before.path
        self.spot = self.spot._replace(entry=at, anchor=None, row=self.spot.row if same else 0)
        self.redraw()

    def show_said(self, said: Said) -> None:
        """Show what is said now about the same files."""
        self._remarked += 1
        self.said = said
        self.redraw()

    @property
    def entry(self) -> Entry | None:
        """The line of the tree with the cursor."""
        return self.tree_of[self.spot.entry] if self.spot.entry < len(self.tree_of) else None

    @property
    def sheet(self) -> Sheet | None:
        """The rows of what is chosen, once they are there."""
        entry = self.entry
        return self._laid[1] if self._laid is not None and entry and self._laid[1].path == entry.path else None

    @property
    def rows(self) -> Sequence[Row]:
        """The rows that are shown."""
        return self.sheet.rows if self.sheet is not None else ()

    def idle(self) -> dict[str, str]:
        """Return why two versions cannot stand side by side."""
        narrow = self.size.width < SPLIT_FROM
        return super().idle() | ({"split": f"side by side needs {SPLIT_FROM} columns"} if narrow else {})

    # Drawing.

    def draw(self) -> None:
        """Draw tree and lines, and have the lines laid out if they are others than those that are there."""
        width = self.size.width
        split = self.spot.split and width >= SPLIT_FROM
        beside = stand_beside(width, split=split)
        tree = next(cells for least, cells in _TREE if width >= least)
        files, lines = self.query_one("#files", Lines), self.query_one("#lines", Lines)
        shown = (beside or self.spot.region == FILES, beside or self.spot.region == LINES)
        if (files.display, lines.display) != shown:
            files.display, lines.display = shown
            self.call_after_refresh(self.redraw)  # only then their heights are known
        files.styles.width = tree if beside else "1fr"
        self._draw_tree(files)
        self._draw_lines(lines)
        if (entry := self.entry) is not None:
            # A cell is left for the bar at the side, so that rows do not change when there is one.
            cells = max((width - tree if beside else width) - 1, 16)
            key = (self._edition, self._remarked, entry.path, cells, split)
            if key not in (self._key, self._asked):
                self._lay_out(entry, key)

    def _draw_tree(self, files: Lines) -> None:
        tree, at, here = self.tree_of, self.spot.entry, self.spot.region == FILES
        if not tree:
            text = self._nothing()
            files.show(len(text), lambda number, cells: text[number])
            return

        def line(number: int, cells: int) -> Line:
            entry = tree[number]
            viewed = entry.file is not None and (entry.path, entry.file.new_blob) in self.viewed
            chosen = number == at
            return entry_line(entry, cells - 1, counts=self.line_counts, viewed=viewed, said=self.said, chosen=chosen)

        files.show(len(tree), line, at if here else None)
        top, height = files.scroll_offset.y, files.size.height
        if not here and height and not top <= at < top + height:
            files.scroll_to(y=max(at - height // 2, 0), animate=False, immediate=True)

    def _nothing(self) -> list[Line]:
        if self.trouble is None:
            return [(said("reading…", "dim"),)]
        return [(said(self.trouble.message, "error"),), (said(self.trouble.hint),)]

    def _draw_lines(self, lines: Lines) -> None:
        sheet, spot = self.sheet, self.spot
        if sheet is None:
            lines.show(0, lambda number, cells: ())
            return
        first, last = sorted((spot.row, spot.row if spot.anchor is None else spot.anchor))
        colors = self._colors(sheet)

        def line(number: int, cells: int) -> Line:
            chosen = spot.anchor is not None and first <= number <= last
            return row_line(sheet.rows[number], sheet, colors, chosen=chosen)

        lines.show(len(sheet.rows), line, spot.row if spot.region == LINES else None)
        if spot.region != LINES and self._goal is None and not spot.row:
            lines.go(None)

    def _colors(self, sheet: Sheet) -> Colors:
        return self._painted[1] if self._painted is not None and self._painted[0] == (self._edition, sheet.path) else {}

    # Threads.

    def _lay_out(self, entry: Entry, key: _Key) -> None:
        self._asked = key
        remarks, (*_, cells, split) = self.said.get(entry.path, ()), key
        if entry.file is None:
            self.terok.read("laying it out", lambda _: (None, self.whole_sheet(cells)), partial(self._arrived, key))
            return
        job = partial(laid_out, entry.file, remarks, cells, split=split, pair=self.pair, whole=self.all_lines)
        self.terok.read(f"laying {said(entry.name).text} out", lambda _: job(), partial(self._arrived, key))

    def _arrived(self, key: _Key, laid: tuple[FileDiff | None, Sheet]) -> None:
        if key != self._asked:
            return  # the person is somewhere else by now
        before = self._laid[1] if self._laid is not None else None
        self._laid, self._key = laid, key
        rows, row, anchor = laid[1].rows, self.spot.row, self.spot.anchor
        if self._goal is not None:
            kind, step = self._goal
            self._goal = None
            row, anchor = next_row(rows, -1 if step > 0 else len(rows), step, kind) or 0, None
        elif before is not None and before.path == laid[1].path:
            row = same_row(rows, before.rows, row)
            anchor = None if anchor is None else same_row(rows, before.rows, anchor)
        self.spot = self.spot._replace(row=min(row, max(len(rows) - 1, 0)), anchor=anchor)
        self.redraw()
        if self._soon is not None:
            self._soon.stop()
        self._soon = self.set_timer(_SOON, self._paint)

    def _paint(self) -> None:
        """Have a process find the colors of the file that is shown; one at a time."""
        self._soon = None
        if self._laid is None or self._painting:
            return
        file, sheet = self._laid
        key = self._edition, sheet.path
        if file is None or not sheet.hunks or (self._painted is not None and self._painted[0] == key):
            return
        self._painting = True
        job = partial(colors_of, file, sheet.hunks, sheet.texts)
        self.terok.read("coloring it", lambda _: job(), partial(self._colored, key))

    def _colored(self, key: tuple[int, str], colors: Colors) -> None:
        self._painting, self._painted = False, (key, colors)
        self.redraw()
        if self._laid is not None and self._laid[1].path != key[1]:
            self._paint()

    # Moving.

    def _choose(self, entry: int, *, region: str = "") -> None:
        self.spot = self.spot._replace(entry=entry, row=0, anchor=None, region=region or self.spot.region)
        self.redraw()

    def _at(self, row: int) -> None:
        row = min(max(row, 0), max(len(self.rows) - 1, 0))
        self.spot = self.spot._replace(row=row, region=LINES)
        self.redraw()

    def _go(self, steps: int) -> None:
        if self.spot.region == LINES:
            self._at(self.spot.row + steps)
        else:
            self._choose(moved(self.tree_of, self.spot.entry, steps))

    def _page(self) -> int:
        name = "#lines" if self.spot.region == LINES else "#files"
        return max(self.query_one(name, Lines).size.height - 1, 1)

    def do_down(self) -> None:
        """Go down."""
        self._go(1)

    def do_up(self) -> None:
        """Go up."""
        self._go(-1)

    def do_page_down(self) -> None:
        """Go down by a page."""
        self._go(self._page())

    def do_page_up(self) -> None:
        """Go up by a page."""
        self._go(-self._page())

    def do_top(self) -> None:
        """Go to the first line."""
        self._go(-(len(self.tree_of) + len(self.rows)))

    def do_bottom(self) -> None:
        """Go to the last line."""
        self._go(len(self.tree_of) + len(self.rows))

    def do_read(self) -> None:
        """Go to the lines of the file."""
        if self.spot.region == LINES:
            self.note("esc goes back to the files")
        elif self.entry is not None:
            self._at(self.spot.row)

    def do_back(self) -> None:
        """Give up the range, go back to the files, or to the screen before."""
        if self.spot.anchor is not None:
            self.spot = self.spot._replace(anchor=None)
        elif self.spot.region == LINES:
            self.spot = self.spot._replace(region=FILES)
        else:
            super().do_back()
            return
        self.redraw()

    def do_next_file(self, step: int = 1) -> None:
        """Go to the next file."""
        there = moved(self.tree_of, self.spot.entry, step)
        if there == self.spot.entry:
            self.note("no further file")
        else:
            self._choose(there)

    def do_previous_file(self) -> None:
        """Go to the file before."""
        self.do_next_file(-1)

    def do_next_hunk(self) -> None:
        """Go to the next lines that have changed, of this file or the next."""
        self._jump("hunk", 1)

    def do_previous_hunk(self) -> None:
        """Go to those before."""
        self._jump("hunk", -1)

    def do_next_remark(self) -> None:
        """Go to the next finding or comment, of this file or a later one."""
        self._jump("remark", 1)

    def do_previous_remark(self) -> None:
        """Go to the one before."""
        self._jump("remark", -1)

    def _jump(self, kind: str, step: int) -> None:
        rows, spot, tree = self.rows, self.spot, self.tree_of
        if self.entry is None:
            self.note("there is nothing to read", error=True)
            return
        if self.sheet is None:  # its rows are still to come
            self._goal = kind, step
            self.spot = spot._replace(region=LINES)
            self.redraw()
            return
        at = spot.row if spot.region == LINES else -1 if step > 0 else len(rows)
        found = next_row(rows, at, step, kind)
        if found is not None:
            self._at(found)
            return
        there = moved(tree, spot.entry, step) if kind == "hunk" else next_said(tree, spot.entry, step, self.said)
        if there is None or there == spot.entry:
            self.note(f"no further {_WHAT[kind]}")
            return
        self._goal = kind, step
        self._choose(there, region=LINES)

    def do_split(self) -> None:
        """Show both versions side by side, or one below the other."""
        self.spot = self.spot._replace(split=not self.spot.split, anchor=None)
        self.redraw()

    def on_lines_picked(self, event: Lines.Picked) -> None:
        """Put the cursor where the mouse is; a second click opens a file."""
        if event.lines.id == "lines":
            self._at(event.number)
        elif event.number < len(self.tree_of) and not self.tree_of[event.number].folder:
            self._choose(event.number, region=LINES if event.opened else FILES)
