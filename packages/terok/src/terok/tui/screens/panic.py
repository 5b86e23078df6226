"""The emergency: what was cut off, and the end of the lockdown. Both need their word, which is asked for before."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.widget import Widget

from terok.tui.background.looking import cut_off, end_lockdown, read_lockdown
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_lines import OnLines
from terok.tui.views.panic import Lockdown, panic_lines
from terok.tui.views.text import cropped
from terok.tui.widgets.lines import Lines


class PanicScreen(OnLines, inherit_bindings=False):
    """The state of the lockdown. `word` is what a person has typed: panic, clear, or nothing to look only."""

    NAME: ClassVar[str] = "panic"
    BINDINGS = bindings_of("panic")

    def __init__(self, word: str = "") -> None:
        super().__init__()
        self._word = word
        self._state: Lockdown | None = None
        self._told: list[str] = []

    def body(self) -> Iterable[Widget]:
        """Return the lines."""
        return (Lines(),)

    def title_text(self) -> str:
        """Return what this is."""
        return "panic"

    def on_mount(self) -> None:
        """Do what was typed, and look."""
        super().on_mount()
        self.panic(self._word)

    def panic(self, word: str) -> None:
        """Cut everything off, or end the lockdown, and look."""
        if word == "panic":
            self._told = ["cutting everything off…"]
            self.terok.read("cutting everything off", lambda _: cut_off(), self._done, failed=self._failed)
        elif word == "clear":
            self._told = ["ending the lockdown…"]
            self.terok.read("ending the lockdown", end_lockdown, self._done, failed=self._failed)
        self.do_again()

    def _done(self, told: list[str]) -> None:
        self._told = told
        self.do_again()

    def _failed(self, problem: str) -> None:
        self._done([f"FAILED  {problem}"])

    def do_again(self) -> None:
        """Look whether there is a lockdown."""
        self.redraw()
        self.terok.read("looking for a lockdown", lambda _: read_lockdown(), self._looked)

    def _looked(self, state: Lockdown) -> None:
        self._state = state
        self.redraw()

    def draw(self) -> None:
        """Draw it."""
        lines = panic_lines(self._state, self._told, self.now(), max(self.size.width - 1, 20))
        self.lines.show(len(lines), lambda number, cells: cropped(lines[number], cells))
