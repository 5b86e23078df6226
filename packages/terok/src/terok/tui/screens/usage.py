"""Use and cost, with bars: added up in six ways, for four periods, of everything or of one task."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from terok.tui.background.looking import read_usage
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_table import OnTable
from terok.tui.views.text import Span, said
from terok.tui.views.usage import BYS, PERIODS, usage_lines, usage_table

if TYPE_CHECKING:
    from terok.services.usage import Spending
    from terok.tui.views.text import Line


class UsageScreen(OnTable, inherit_bindings=False):
    """Use and cost."""

    NAME: ClassVar[str] = "usage"
    BINDINGS = bindings_of("usage")

    def __init__(self, task: str = "") -> None:
        super().__init__()
        self._about, self._only = task, bool(task)
        self._way = BYS.index("model" if task else "task")
        self._period = 0
        self._spending: Spending | None = None

    def title_text(self) -> str:
        """Return what is added up, and for when."""
        task = self.world.tasks.get(self._about)
        whose = f" of {task.name if task is not None else self._about}" if self._only else ""
        return f"usage{whose} by {BYS[self._way]}, {PERIODS[self._period][0]}"

    def here(self) -> str:
        """Return the task from which this was opened."""
        return self._about

    def look(self) -> Callable[[Callable[[str], None]], Any]:
        """Return the job that adds it up."""
        job = partial(read_usage, BYS[self._way], PERIODS[self._period][1], self._about if self._only else "")
        return lambda _: job()

    def seen(self, found: Spending) -> None:
        """Show it."""
        self._spending = found
        self.show_table(usage_table(found))

    def more(self, cells: int) -> list[Line]:
        """Return the name with the cursor in full, and what has to be known about the sums."""
        if self._spending is None or not self._spending.rows:
            return []
        rows = [*self._spending.rows, self._spending.total]
        one = rows[min(self.at, len(rows) - 1)]
        reasoning = f", {one.reasoning:,} of the output reasoning" if one.reasoning else ""
        name = (said(one.name, "bold"), Span(f"  {one.cost}, {one.tokens:,} tokens{reasoning}"))
        return [name, *usage_lines(self._spending)]

    def do_by(self) -> None:
        """Add it up in the next way."""
        self._way = (self._way + 1) % len(BYS)
        self._begin()

    def do_period(self) -> None:
        """Look at the next period."""
        self._period = (self._period + 1) % len(PERIODS)
        self._begin()

    def do_usage(self) -> None:
        """Look at everything, or at the task again."""
        if not self._about:
            self.note("this is the use of all tasks")
            return
        self._only = not self._only
        self._begin()

    def _begin(self) -> None:
        self.at = 0
        self.show_table(None)
        self.do_again()
