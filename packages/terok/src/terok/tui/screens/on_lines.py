"""Moving over lines that have no cursor."""

from __future__ import annotations

from terok.tui.screens.page import Page
from terok.tui.widgets.lines import Lines


class OnLines(Page):
    """A screen with lines to read."""

    @property
    def lines(self) -> Lines:
        """The lines."""
        return self.query_one(Lines)

    def do_down(self) -> None:
        """Go down."""
        self.lines.go(1)

    def do_up(self) -> None:
        """Go up."""
        self.lines.go(-1)

    def do_page_down(self) -> None:
        """Go down by a page."""
        self.lines.go(1, page=True)

    def do_page_up(self) -> None:
        """Go up by a page."""
        self.lines.go(-1, page=True)

    def do_top(self) -> None:
        """Go to the first line."""
        self.lines.go(None)

    def do_bottom(self) -> None:
        """Go to the last line."""
        self.lines.go(None, end=True)
