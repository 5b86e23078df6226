"""The output of a command of terok: for every verb that has no screen of its own."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import ClassVar

from textual.widget import Widget

from terok.tui.background.output import Grown
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_output import OnOutput


class OutputScreen(OnOutput, inherit_bindings=False):
    """The output of one command, from its first line on."""

    NAME: ClassVar[str] = "output"
    BINDINGS = bindings_of("output")

    def __init__(self, words: Sequence[str]) -> None:
        super().__init__()
        self._words = tuple(words)

    def body(self) -> Iterable[Widget]:
        """Return the output."""
        return (self.log_lines,)

    def title_text(self) -> str:
        """Return the command."""
        return " ".join(("terok", *self._words))

    def on_mount(self) -> None:
        """Start the command."""
        super().on_mount()
        log = self.log_lines
        log.take(self.terok.output(self._words))
        log.follows = False

    def output_changed(self, value: Grown) -> None:
        """Say how it has ended."""
        if value.error:
            self.note(value.error, error=True)
        elif value.code is not None:
            self.note(f"ended with exit code {value.code}" if value.code else "done", error=value.code != 0)
