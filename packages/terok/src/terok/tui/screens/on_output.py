"""The actions on an output, which the screen of a task and that of a command share."""

from __future__ import annotations

from terok.tui.background.output import Grown
from terok.tui.screens.on_lines import OnLines
from terok.tui.widgets.log import Log


class OnOutput(OnLines):
    """A screen with an output."""

    AUTO_FOCUS = "Log"

    def __init__(self) -> None:
        super().__init__()
        self.log_lines = Log()

    def output_grown(self, value: Grown) -> None:
        """Draw what is new."""
        if self.is_mounted and self.log_lines.output is value.output:
            self.log_lines.grown()
            self.output_changed(value)

    def output_changed(self, value: Grown) -> None:
        """Say how an output has ended."""

    def on_unmount(self) -> None:
        """End the command."""
        if (output := self.log_lines.output) is not None:
            output.close()

    def do_follow(self) -> None:
        """Stay at the end, or no longer."""
        log = self.log_lines
        log.follows = not log.follows
        log.grown()
        self.note("follows the end" if log.follows else "stays here; f follows again")

    def do_search(self) -> None:
        """Look for a text."""
        self.ask("search:", self._search, text=self.log_lines.wanted, hint="upper and lower case are the same")

    def _search(self, text: str) -> None:
        self.log_lines.search(text)
        if text and not self.log_lines.next(-1):
            self.note("it is nowhere above", error=True)

    def do_next_match(self) -> None:
        """Go to the next line with the text."""
        self._next(1)

    def do_previous_match(self) -> None:
        """Go to the line before with the text."""
        self._next(-1)

    def _next(self, step: int) -> None:
        if not self.log_lines.wanted:
            self.note("look for something first, with /", error=True)
        elif not self.log_lines.next(step):
            self.note("no further place has it", error=True)
