"""Events of a task, from all walls, the vault, its output and the database."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, ClassVar, Final

from textual.widget import Widget

from terok.model.task import Task
from terok.services.tasks_base import TaskBase
from terok.services.timeline import timeline as gather
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_rows import OnRows
from terok.tui.screens.on_tasks import OnTasks
from terok.tui.screens.rereading import Rereading
from terok.tui.views.text import Line, Span, cropped, said
from terok.tui.views.timeline import chosen, entry_line, entry_lines, head_lines, kind_at, kind_spans, shown_by, toggled
from terok.tui.widgets.lines import Bar, Lines

if TYPE_CHECKING:
    from terok.model.timeline import Entry, Timeline

MOST: Final = 5000
"""Entries that are shown, the newest."""
_DETAIL: Final = 6


class TimelineScreen(OnRows, Rereading, OnTasks, inherit_bindings=False):
    """A timeline, at its newest entry until the person goes elsewhere."""

    NAME: ClassVar[str] = "timeline"
    READS: ClassVar[str] = "reading the timeline"
    BINDINGS = bindings_of("timeline")
    DEFAULT_CSS = """
    TimelineScreen #kinds { height: auto; }
    TimelineScreen #entry { height: 6; border-top: solid ansi_bright_black; }
    """

    def __init__(self, task: str) -> None:
        super().__init__()
        self._subject = task
        self._line: Timeline | None = None
        self._shown: tuple[Entry, ...] = ()
        self._wanted = ""
        self._follows = True
        self._known: Task | None = None

    def body(self) -> Iterable[Widget]:
        """Return the kinds, the entries, and all about the one with the cursor."""
        return Bar(id="kinds"), Lines(), Bar(id="entry")

    def here(self) -> str:
        """Return the task."""
        return self._subject

    def title_text(self) -> str:
        """Return the task's name, and what is left out."""
        task = self.world.tasks.get(self._subject)
        name = f"{task.project}/{task.name}" if task is not None else self._subject
        return f"timeline of {name}" + (f"  / {self._wanted}" if self._wanted else "")

    @property
    def count(self) -> int:
        """The number of entries."""
        return len(self._shown)

    def look(self) -> Timeline:
        """Read it."""
        with TaskBase(create=False) as tasks:
            return gather(tasks, tasks.store.task(self._subject), tail=MOST)

    def take_look(self, value: Timeline) -> None:
        """Keep it; the cursor stays with its entry, or at the end."""
        self._line = value
        self._choose_shown()

    def _choose_shown(self) -> None:
        before = self._shown[self.at] if self._shown else None
        found = self._shown = chosen(self._line.entries if self._line is not None else (), shown_by(self._wanted))
        last = max(len(found) - 1, 0)
        if self._follows:
            self.at = last
        else:
            self.at = next((number for number, one in enumerate(found) if one == before), min(self.at, last))

    def draw(self) -> None:
        """Draw everything; it is read again when something is heard of the task."""
        task = self.world.tasks.get(self._subject)
        if task is not self._known:
            if self._known is not None:
                self.reread()
            self._known = task
        shown, line = self._shown, self._line
        spans = kind_spans(line.entries, shown_by(self._wanted)) if line is not None else ()
        chains, left = (line.chains, line.left_out) if line is not None else ((), False)
        kinds = self.query_one("#kinds", Bar)
        kinds.styles.height = max(1, len(head_lines(spans, chains, max(self.size.width, 1), left_out=left)))
        kinds.show(lambda cells: head_lines(spans, chains, cells, left_out=left))
        if shown:
            self.lines.show(len(shown), lambda number, cells: entry_line(shown[number], cells), self.at)
        else:
            self.lines.show(1, lambda number, cells: self._empty(cells))
        bar, chosen_entry = self.query_one("#entry", Bar), shown[self.at] if shown else None
        bar.display = self.size.height >= 14
        bar.show(lambda cells: entry_lines(chosen_entry, cells, _DETAIL - 1) if chosen_entry is not None else [])

    def _empty(self, cells: int) -> Line:
        if self.problem:
            return cropped((said(self.problem, "error"),), cells)
        words = "nothing of that kind" if self._wanted and self.came else "nothing yet" if self.came else "reading…"
        return (Span(words, "dim"),)

    def move(self, target: int) -> None:
        """Put the cursor on an entry; at the last one it follows."""
        super().move(target)
        self._follows = self.at >= self.count - 1

    def go_to(self, task: Task) -> None:
        """Show the timeline of another task."""
        self._subject, self._line, self._shown, self._follows = task.id, None, (), True
        self._known, self.came, self.problem = None, False, ""
        self.redraw()
        self.reread()

    def do_timeline(self) -> None:
        """Read it again."""
        self.reread()

    def do_newest(self) -> None:
        """Follow the newest entry, or stay here."""
        self._follows = not self._follows
        if self._follows:
            self.move(self.count - 1)
        self.note("follows the newest" if self._follows else "stays here; f follows again")

    def do_kinds(self) -> None:
        """Show some kinds only; it is applied while it is written."""
        before = self._wanted
        self.ask(
            "show:",
            self._show,
            text=before,
            changed=self._show,
            cancelled=lambda: self._show(""),
            hint="kinds such as push verdict !model, or any text",
        )

    def _show(self, text: str) -> None:
        self._wanted = text
        self._choose_shown()
        self.redraw()

    def on_bar_clicked(self, event: Bar.Clicked) -> None:
        """Show a kind that was clicked, or no longer."""
        if event.bar.id == "kinds" and event.y == 0 and self._line is not None:
            kind = kind_at(kind_spans(self._line.entries, shown_by(self._wanted)), event.x)
            if kind:
                self._show(toggled(self._wanted, kind))
