"""Everything that can be done from the screen it was opened on, and every command, to choose by name."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.binding import Binding, BindingType
from textual.widget import Widget
from textual.widgets import Input

from terok.tui.background.verbs import Verb, all_verbs
from terok.tui.screens.page import Page
from terok.tui.views.palette import Choice, choices, fitting
from terok.tui.views.text import Line, Span, cropped, fit
from terok.tui.widgets.lines import Lines

_NAME = 26


class PaletteScreen(Page, inherit_bindings=False):
    """A line to write in, and below it what fits."""

    NAME: ClassVar[str] = "palette"
    AUTO_FOCUS = "Input"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "screen.do('back')", show=False),
        Binding("down,ctrl+n", "screen.move(1)", show=False),
        Binding("up,ctrl+p", "screen.move(-1)", show=False),
        Binding("enter", "screen.choose", show=False, priority=True),
    ]
    DEFAULT_CSS = """
    PaletteScreen Input { height: 1; border: none; padding: 0; background: ansi_default; }
    PaletteScreen Input:focus { border: none; }
    """

    def __init__(self, of: Page) -> None:
        super().__init__()
        self._of = of
        self._all: tuple[Choice, ...] = ()
        self._shown: list[Choice] = []
        self._at = 0

    def body(self) -> Iterable[Widget]:
        """Return the line and the list."""
        line = Input(placeholder="what do you want to do?", id="wanted")
        line.cursor_blink = False
        return line, Lines(id="choices")

    def title_text(self) -> str:
        """Return what this is."""
        return "palette"

    def on_mount(self) -> None:
        """Begin with the actions; the commands come when their tree is there."""
        self._all = choices(self._of.NAME, self.terok.keys, ())
        super().on_mount()
        self.terok.read("reading the commands", lambda _: all_verbs(), self._with_verbs)

    def _with_verbs(self, verbs: list[Verb]) -> None:
        self._all = choices(self._of.NAME, self.terok.keys, verbs)
        self.redraw()

    def draw(self) -> None:
        """Draw what fits."""
        self._shown = fitting(self._all, self.query_one("#wanted", Input).value)
        self._at = min(self._at, max(len(self._shown) - 1, 0))
        self.query_one(Lines).show(len(self._shown), self._line, self._at)

    def _line(self, number: int, cells: int) -> Line:
        one = self._shown[number]
        return cropped(
            (Span(fit(one.words, _NAME), "bold"), Span(fit(one.keys, 8) + " ", "key"), Span(one.help)), cells
        )

    def on_input_changed(self) -> None:
        """Draw what fits now."""
        self._at = 0
        self.redraw()

    def action_move(self, step: int) -> None:
        """Move the cursor."""
        self._at = max(self._at + step, 0)
        self.redraw()

    def action_choose(self) -> None:
        """Do what is chosen, on the screen from which this was opened; a command can still be written to its end."""
        if not self._shown:
            return
        chosen = self._shown[self._at]
        self.do_back()
        if chosen.action:
            self._of.action_do(chosen.action)
        else:
            self._of.ask("terok", self.terok.run_line, text=" ".join(chosen.verb) + " ")

    def on_lines_picked(self, event: Lines.Picked) -> None:
        """Do what was clicked."""
        self._at = event.number
        self.action_choose()
