"""Every key of the screen from which it was opened."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.widget import Widget

from terok.tui.bindings import bindings_of
from terok.tui.screens.on_lines import OnLines
from terok.tui.views.help import key_lines
from terok.tui.views.text import cropped
from terok.tui.widgets.lines import Lines


class HelpScreen(OnLines, inherit_bindings=False):
    """Keys in words."""

    NAME: ClassVar[str] = "help"
    BINDINGS = bindings_of("help")

    def __init__(self, of: str) -> None:
        super().__init__()
        self._of = of

    def body(self) -> Iterable[Widget]:
        """Return the list."""
        return (Lines(),)

    def title_text(self) -> str:
        """Return what this is."""
        return "keys"

    def draw(self) -> None:
        """Draw the list."""
        lines = key_lines(self._of, self.terok.keys)
        self.query_one(Lines).show(len(lines), lambda number, cells: cropped(lines[number], cells))

    def do_help(self) -> None:
        """Go back."""
        self.do_back()
