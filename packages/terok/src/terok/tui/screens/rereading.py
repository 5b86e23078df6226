"""Reading what a screen shows again and again, once at a time."""

from __future__ import annotations

from typing import Any, ClassVar

from terok.tui.screens.page import Page


class Rereading(Page):
    """A screen that shows what `look` reads in a thread; `came` says whether it was there once, `problem` why not."""

    READS: ClassVar[str] = "reading"
    """Words for reading."""

    def __init__(self) -> None:
        super().__init__()
        self.came = False
        self.problem = ""
        self._reads = self._reads_again = False

    def look(self) -> Any:
        """Read what is shown; called in a thread."""

    def take_look(self, value: Any) -> None:
        """Keep what was read."""

    def on_mount(self) -> None:
        """Read for the first time."""
        super().on_mount()
        self.reread()

    def reread(self) -> None:
        """Read again; if that is under way, once more behind it."""
        if self._reads:
            self._reads_again = True
            return
        self._reads = True
        self.terok.read(self.READS, lambda _: self.look(), self._with_look, failed=self._without)

    def _with_look(self, value: Any) -> None:
        self.came, self.problem = True, ""
        self.take_look(value)
        self._after_look()

    def _without(self, problem: str) -> None:
        self.problem = problem
        self._after_look()

    def _after_look(self) -> None:
        self._reads = False
        self.redraw()
        if self._reads_again:
            self._reads_again = False
            self.reread()

    def done(self, said: Any) -> None:
        """Say what was done, and show what has come of it."""
        self.note(str(said))
        self.reread()
