"""Clearance: what containers were refused and a person may allow. Nothing is allowed without its own two keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, ClassVar, Final

from textual.widget import Widget

from terok.tui.background.clearing import deciding, read_wishes
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_rows import OnRows
from terok.tui.views.clearance import wish_line, wish_lines
from terok.tui.views.text import Span
from terok.tui.widgets.lines import Bar, Lines

if TYPE_CHECKING:
    from terok.services.clearances import Span as Duration
    from terok.services.clearances import Wish

_SPANS: Final[dict[str, Duration]] = {"1": "once", "2": "minutes", "3": "task", "4": "project"}


class ClearanceScreen(OnRows, inherit_bindings=False):
    """The questions that wait now, of all tasks."""

    NAME: ClassVar[str] = "clearance"
    BINDINGS = bindings_of("clearance")
    DEFAULT_CSS = "ClearanceScreen #wish { height: 5; border-top: solid ansi_bright_black; }"

    def __init__(self) -> None:
        super().__init__()
        self._wishes: list[Wish] = []
        self._known: tuple[Any, ...] | None = None
        self._came = False

    def body(self) -> Iterable[Widget]:
        """Return the list, and what is known about the question with the cursor."""
        return Lines(), Bar(id="wish")

    def title_text(self) -> str:
        """Return what this is."""
        return "clearance"

    @property
    def count(self) -> int:
        """The number of questions."""
        return len(self._wishes)

    def here(self) -> str:
        """Return the task that asks."""
        return self._wishes[self.at].task if self._wishes else ""

    def draw(self) -> None:
        """Draw the questions; they are read again when those of a task have changed."""
        known = tuple(
            (task.id, task.since, task.reason)
            for task in self.world.tasks.values()
            if "clearance" in (task.word, *task.also.split())
        )
        if known != self._known:
            self._known = known
            self.terok.read("reading what waits", lambda _: read_wishes(), self._with_wishes)
        wishes, tasks, now = self._wishes, self.world.tasks, self.now()
        if wishes:
            self.lines.show(len(wishes), lambda number, cells: wish_line(wishes[number], tasks, now, cells), self.at)
        else:
            words = "nothing waits for you" if self._came else "reading…"
            self.lines.show(1, lambda number, cells: (Span(words, "dim"),))
        chosen = wishes[self.at] if wishes else None
        self.query_one("#wish", Bar).show(lambda cells: wish_lines(chosen, cells) if chosen is not None else [])

    def _with_wishes(self, found: list[Wish]) -> None:
        at = self._wishes[self.at].id if self._wishes else ""
        self._wishes, self._came = found, True
        self.move(next((number for number, one in enumerate(found) if one.id == at), self.at))

    def do_allow(self) -> None:
        """Allow it, for as long as the person says."""
        self._ask(allow=True)

    def do_deny(self) -> None:
        """Deny it, for as long as the person says; the agent reads why."""
        self._ask(allow=False)

    def _ask(self, *, allow: bool) -> None:
        if not self._wishes:
            self.note("nothing waits for you", error=True)
            return
        wish = self._wishes[self.at]
        verb = "allow" if allow else "deny"
        self.ask(
            f"{verb} {wish.target}: 1 once  2 for 10 minutes  3 this task  4 this project:",
            lambda text: self._decide(wish, text, allow=allow),
            hint="a number, and a reason that the agent reads",
        )

    def _decide(self, wish: Wish, text: str, *, allow: bool) -> None:
        number, _, reason = text.strip().partition(" ")
        if number not in _SPANS:
            self.note("nothing was decided: write 1, 2, 3 or 4", error=True)
            return

        job = deciding(wish.id, _SPANS[number], reason, allow=allow)
        self.terok.act(f"deciding about {wish.target}", job, (wish.task,) if wish.task else (), then=self._decided)

    def _decided(self, said: str) -> str:
        self._known = None
        self.redraw()
        return said
