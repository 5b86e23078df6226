"""One of several things, chosen with the cursor or the mouse."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, ClassVar

from textual.widget import Widget

from terok.tui.bindings import bindings_of
from terok.tui.screens.on_rows import OnRows
from terok.tui.views.choice import Option, option_line
from terok.tui.views.text import Line
from terok.tui.widgets.lines import Bar, Lines


class ChoiceScreen(OnRows, inherit_bindings=False):
    """Things to choose, below words about them; `then` gets the key of what was chosen, back on its screen."""

    NAME: ClassVar[str] = "choice"
    BINDINGS = bindings_of("choice")
    DEFAULT_CSS = """
    ChoiceScreen #about { height: auto; }
    ChoiceScreen Lines { border-top: solid ansi_bright_black; }
    """

    def __init__(
        self,
        words: str,
        options: Sequence[Option],
        then: Callable[[str], Any],
        about: Callable[[int], list[Line]] | None = None,
        at: int = 0,
    ) -> None:
        super().__init__()
        self.at = at
        self._words = words
        self._options = tuple(options)
        self._then = then
        self._about = about

    def body(self) -> Iterable[Widget]:
        """Return what it is about, and the list."""
        return Bar(id="about"), Lines()

    def title_text(self) -> str:
        """Return what is to be chosen."""
        return self._words

    @property
    def count(self) -> int:
        """The number of things to choose."""
        return len(self._options)

    def draw(self) -> None:
        """Draw the list."""
        bar, about, options = self.query_one("#about", Bar), self._about, self._options
        lines = about(max(self.size.width, 1)) if about is not None else []
        bar.display = bool(lines)
        bar.styles.height = max(1, min(len(lines), max(self.size.height - len(options) - 5, 1)))
        bar.show(about if about is not None else lambda cells: [])
        self.lines.show(len(options), lambda number, cells: option_line(options[number], cells), self.at)

    def do_choose(self) -> None:
        """Take what has the cursor."""
        chosen = self._options[self.at].key
        self.do_back()
        self._then(chosen)

    def on_lines_picked(self, event: Lines.Picked) -> None:
        """Put the cursor where the mouse is; a second click takes it."""
        event.prevent_default()
        self.move(event.number)
        if event.opened:
            self.do_choose()
