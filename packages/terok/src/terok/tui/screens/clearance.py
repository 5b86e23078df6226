"""Clearance: what containers were refused and a person may allow. Nothing is decided by one key; deny comes first."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.widget import Widget

from terok.services.clearances import Clearances
from terok.tui.background.asking import Asked, Asking
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_rows import OnRows
from terok.tui.views.clearance import MINUTES, minutes_of, verdicts, wish_line, wish_lines
from terok.tui.views.text import Line, Span, cropped, said
from terok.tui.widgets.lines import Bar, Lines

if TYPE_CHECKING:
    from terok.services.clearances import Span as Duration
    from terok.services.clearances import Wish


class ClearanceScreen(OnRows, inherit_bindings=False):
    """The questions that wait now, of all tasks; while it is there, destinations are held until they are answered."""

    NAME: ClassVar[str] = "clearance"
    BINDINGS = bindings_of("clearance")
    DEFAULT_CSS = "ClearanceScreen #wish { height: 5; border-top: solid ansi_bright_black; }"

    def __init__(self) -> None:
        super().__init__()
        self._wishes: tuple[Wish, ...] = ()
        self._came, self._problem = False, ""
        self._asking: Asking | None = None

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

    def idle(self) -> dict[str, str]:
        """Return what cannot be done while nothing waits."""
        return {} if self._wishes else dict.fromkeys(("decide", "allow", "deny"), "nothing waits for you")

    def on_mount(self) -> None:
        """Begin to listen."""
        super().on_mount()
        self._asking = Asking(self.terok.hand(self._with_asked))
        self._asking.start()

    def on_unmount(self) -> None:
        """Listen no longer."""
        if self._asking is not None:
            self._asking.stop()

    def _with_asked(self, asked: Asked) -> None:
        at = self._wishes[self.at].id if self._wishes else ""
        self._wishes, self._came, self._problem = asked.wishes, True, asked.problem
        self.move(next((number for number, one in enumerate(asked.wishes) if one.id == at), self.at))

    def draw(self) -> None:
        """Draw the questions."""
        wishes, tasks, now = self._wishes, self.world.tasks, self.now()
        if wishes:
            self.lines.show(len(wishes), lambda number, cells: wish_line(wishes[number], tasks, now, cells), self.at)
        else:
            self.lines.show(1, lambda number, cells: self._empty(cells))
        chosen = wishes[self.at] if wishes else None
        lines = wish_lines(chosen, max(self.size.width, 1)) if chosen is not None else []
        bar = self.query_one("#wish", Bar)
        bar.styles.height = max(2, min(len(lines) + 1, self.size.height // 2))
        bar.show(lambda cells: wish_lines(chosen, cells) if chosen is not None else [])
        self.terok.watch_ages([one.since for one in wishes])

    def _empty(self, cells: int) -> Line:
        words = self._problem or ("nothing waits for you" if self._came else "reading…")
        return cropped((said(words, "error") if self._problem else Span(words, "dim"),), cells)

    def do_decide(self) -> None:
        """Choose a verdict; the cursor is on a denial."""
        self._choose()

    def do_allow(self) -> None:
        """Choose for how long it is allowed."""
        self._choose(allow=True)

    def do_deny(self) -> None:
        """Choose for how long it is denied."""
        self._choose(allow=False)

    def _choose(self, *, allow: bool | None = None) -> None:
        wish = self._wishes[self.at]
        self.choose(
            f"verdict about {wish.target}",
            verdicts(allow=allow),
            partial(self._reason, wish),
            about=lambda cells: wish_lines(wish, cells),
        )

    def _reason(self, wish: Wish, chosen: str) -> None:
        verb, _, span = chosen.partition(" ")
        decide = partial(self._decide, wish, allow=verb == "allow", span=cast("Duration", span))
        words = f"{verb} {wish.target}"
        if span == "minutes":
            self.ask(f"{words} for minutes:", decide, text=f"{MINUTES} ", hint="a number, and why; the agent reads it")
        else:
            self.ask(f"{words}, because:", decide, hint="the agent reads it; nothing is fine too")

    def _decide(self, wish: Wish, text: str, *, allow: bool, span: Duration) -> None:
        minutes, reason = minutes_of(text) if span == "minutes" else (0, text.strip())
        if minutes is None:
            self.note("nothing was decided: begin with a number of minutes", error=True)
            return

        def job(service: Any) -> str:
            return Clearances(service).decide(wish.id, allow=allow, span=span, minutes=minutes, reason=reason)

        self.terok.act(f"deciding about {wish.target}", job, (wish.task,) if wish.task else (), then=str)

    def on_lines_picked(self, event: Lines.Picked) -> None:
        """Put the cursor where the mouse is; a second click opens the verdicts."""
        event.prevent_default()
        self.move(event.number)
        if event.opened and self._wishes:
            self.do_decide()
