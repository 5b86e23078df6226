"""Moving a cursor over sections that can be folded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from textual.widget import Widget

from terok.tui.screens.on_rows import OnRows
from terok.tui.views.sections import Item, Section, item_line, laid, next_section, place_of
from terok.tui.views.text import Line
from terok.tui.widgets.lines import Bar, Lines


class OnSections(OnRows):
    """A screen with sections below a few lines about all of it. The cursor stays with its row when they change."""

    DEFAULT_CSS = """
    OnSections #about { height: auto; max-height: 50%; }
    OnSections Lines { border-top: solid ansi_bright_black; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._folds: frozenset[str] = frozenset()
        self._laid: tuple[Item, ...] = ()
        self._cursor_key = ""

    def body(self) -> Iterable[Widget]:
        """Return the lines about all of it, and the sections."""
        return Bar(id="about"), Lines()

    def sections(self) -> Iterable[Section]:
        """Return what is shown now."""
        return ()

    def about(self, cells: int) -> list[Line]:
        """Return the lines above."""
        del cells
        return []

    @property
    def count(self) -> int:
        """The number of lines."""
        return len(self._laid)

    @property
    def picked(self) -> Any:
        """The value of the row with the cursor, None on a heading."""
        row = self._laid[self.at].row if self._laid else None
        return row.value if row is not None else None

    def draw(self) -> None:
        """Draw everything."""
        bar, cells = self.query_one("#about", Bar), max(self.size.width, 1)
        bar.styles.height = max(1, min(len(self.about(cells)), max(self.size.height // 2, 3)))
        bar.show(self.about)
        items = self._laid = laid(self.sections(), self._folds)
        self.at = place_of(items, self._cursor_key, self.at)
        if items and self._cursor_key:
            self._cursor_key = items[self.at].key
        self.lines.show(len(items), lambda number, width: item_line(items[number], width), self.at if items else None)

    def move(self, target: int) -> None:
        """Put the cursor on a line, as far as there are any."""
        self.at = min(max(target, 0), max(self.count - 1, 0))
        self._cursor_key = self._laid[self.at].key if self._laid else ""
        self.redraw()

    def do_fold_section(self) -> None:
        """Fold the section of the cursor, or unfold it."""
        if self._laid:
            name = self._laid[self.at].section
            self._folds ^= {name}
            self._cursor_key = f"# {name}"
            self.redraw()

    def do_next_section(self) -> None:
        """Go to the next heading."""
        self.move(next_section(self._laid, self.at, 1))

    def do_previous_section(self) -> None:
        """Go to the heading before."""
        self.move(next_section(self._laid, self.at, -1))

    def on_lines_picked(self, event: Lines.Picked) -> None:
        """Put the cursor where the mouse is; a heading is folded."""
        event.prevent_default()
        self.move(event.number)
        if self._laid and self._laid[self.at].key.startswith("# "):
            self.do_fold_section()
        elif event.opened:
            self.opened()

    def opened(self) -> None:
        """Do what a second click on a row means."""
