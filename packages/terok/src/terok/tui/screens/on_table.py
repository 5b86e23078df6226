"""A table that was read in a thread: rows with a cursor below their titles, and more about the row with the cursor."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import Any, ClassVar

from textual.widget import Widget

from terok.tui.screens.on_rows import OnRows
from terok.tui.views.columns import Table, columns
from terok.tui.views.text import Line, Span, cropped
from terok.tui.widgets.lines import Bar, Lines

LOW = 14
"""Lines of a terminal below which there is room for the rows only."""


class OnTable(OnRows):
    """A screen of a table. It has `look`, a job for a thread, `take`n in the loop, which shows a table of it."""

    READING: ClassVar[str] = "reading…"
    DEFAULT_CSS = """
    OnTable #titles { height: 1; }
    OnTable #more { height: 6; border-top: solid ansi_bright_black; }
    """

    def __init__(self) -> None:
        super().__init__()
        self.table: Table | None = None
        self.problem = ""
        self._wanted = 0
        self._columns: Callable[[int], list[Line]] = lambda cells: []

    def body(self) -> Iterable[Widget]:
        """Return titles, rows, and the part below them."""
        return Bar(id="titles"), Lines(), Bar(id="more")

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self.table.rows) if self.table is not None else 0

    def look(self) -> Callable[[Callable[[str], None]], Any]:
        """Return the job that reads what is shown."""
        raise TypeError(type(self).__name__)

    def seen(self, found: Any) -> None:
        """Take what was read, and show it."""
        raise TypeError(type(self).__name__)

    def more(self, cells: int) -> list[Line]:
        """Return what is known about the row with the cursor."""
        return []

    def on_mount(self) -> None:
        """Read it."""
        super().on_mount()
        self.do_again()

    def do_again(self) -> None:
        """Read it again; what was asked for before no longer counts."""
        self.problem = ""
        self._wanted += 1
        number = self._wanted

        def take(found: Any) -> None:
            if number == self._wanted:
                self.seen(found)

        self.terok.read(self.READING.rstrip("…"), self.look(), take, failed=self._failed)

    def _failed(self, problem: str) -> None:
        self.problem = problem
        self.redraw()

    def show_table(self, table: Table | None) -> None:
        """Show a table, or that it is being read."""
        self.table = table
        if table is not None:
            self._columns = lru_cache(maxsize=2)(lambda cells: columns(table, cells))
        self.move(self.at)

    def draw(self) -> None:
        """Draw the table."""
        self.at = min(self.at, max(self.count - 1, 0))
        lines, titles, more = self.lines, self.query_one("#titles", Bar), self.query_one("#more", Bar)
        more.display = self.size.height >= LOW
        if self.table is None or not self.table.rows:
            empty = self.table.empty if self.table is not None else self.READING
            titles.show(lambda cells: [])
            words = self.problem or empty
            lines.show(1, lambda _, cells: cropped((Span(words, "error" if self.problem else "dim"),), cells))
        else:
            made = self._columns
            titles.show(lambda cells: made(lines.scrollable_content_region.width or cells)[:1])
            lines.show(self.count, lambda number, cells: made(cells)[number + 1], self.at)
        more.show(lambda cells: [cropped(line, cells) for line in self.more(cells)] if more.display else [])
