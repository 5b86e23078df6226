"""Moving a cursor over rows."""

from __future__ import annotations

from terok.tui.screens.page import Page
from terok.tui.widgets.lines import Lines


class OnRows(Page):
    """A screen with rows, one of which has the cursor. It says how many there are, and draws them from `at`."""

    def __init__(self) -> None:
        super().__init__()
        self.at = 0

    @property
    def count(self) -> int:
        """The number of rows."""
        return 0

    @property
    def lines(self) -> Lines:
        """The rows as they are drawn."""
        return self.query_one(Lines)

    def move(self, target: int) -> None:
        """Put the cursor on a row, as far as there are any."""
        self.at = min(max(target, 0), max(self.count - 1, 0))
        self.redraw()

    def _page(self) -> int:
        return max(self.lines.size.height - 1, 1)

    def do_down(self) -> None:
        """Go down."""
        self.move(self.at + 1)

    def do_up(self) -> None:
        """Go up."""
        self.move(self.at - 1)

    def do_page_down(self) -> None:
        """Go down by a page."""
        self.move(self.at + self._page())

    def do_page_up(self) -> None:
        """Go up by a page."""
        self.move(self.at - self._page())

    def do_top(self) -> None:
        """Go to the first row."""
        self.move(0)

    def do_bottom(self) -> None:
        """Go to the last row."""
        self.move(self.count - 1)

    def on_lines_picked(self, event: Lines.Picked) -> None:
        """Put the cursor where the mouse is."""
        self.move(event.number)
