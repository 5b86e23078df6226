"""The output of a command on the screen: followed at its end, or read anywhere, with a search."""

from __future__ import annotations

from typing import Any

from terok.tui.background.output import Output
from terok.tui.views.log import log_line
from terok.tui.views.text import Line
from terok.tui.widgets.lines import Lines


class Log(Lines):
    """Lines of an output. It follows the end until a person goes elsewhere."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self.output: Output | None = None
        self.follows = True
        self.wanted = ""
        self.found: int | None = None

    def take(self, output: Output) -> None:
        """Show the output of another command."""
        self.output, self.follows, self.found = output, True, None
        self.grown()

    def grown(self) -> None:
        """Draw what is new, if it can be seen."""
        output = self.output
        if output is None:
            return
        first, count = output.first, output.count - output.first
        lines: dict[int, str] = {}

        def draw(number: int, cells: int) -> Line:
            if number not in lines:  # a screen's worth at once
                height = max(self.size.height, 1)
                lines.update(enumerate(output.lines(first + number, first + number + height), number))
            return log_line(lines.get(number, ""), self.wanted)

        self.show(count, draw, None if self.found is None or self.found < first else self.found - first)
        if self.follows:
            self.scroll_end(animate=False, immediate=True)

    def go(self, step: int | None, *, page: bool = False, end: bool = False) -> None:
        """Scroll; it follows again once the end is in sight."""
        self.found = None
        super().go(step, page=page, end=end)
        self.follows = end or (step is not None and step > 0 and self.at_end)
        self.grown()

    def search(self, wanted: str) -> None:
        """Look for a text from the end of what is seen upwards, and mark it everywhere."""
        self.wanted, self.found = wanted, None
        self.grown()

    def next(self, step: int) -> bool:
        """Go to the next line with the text, in either direction; returns whether there is one."""
        if self.output is None or not self.wanted:
            return False
        top = self.output.first + self.scroll_offset.y
        here = top + (self.size.height if step < 0 else -1) if self.found is None else self.found
        found = self.output.find(self.wanted, here + step, step)
        if found is not None:
            self.found, self.follows = found, False
            self.grown()
        return found is not None
