"""The inbox: all tasks by what they need of a person."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import ClassVar

from textual.containers import Container
from textual.widget import Widget

from terok.model.task import Task
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_tasks import OnTasks
from terok.tui.views import inbox as view_of
from terok.tui.views.about import about
from terok.tui.views.inbox import HEADS, InboxView, Item, Place
from terok.tui.views.rows import row
from terok.tui.views.text import Line, Span, fit
from terok.tui.widgets.lines import Bar, Lines

BESIDE = 120
"""Cells from which what is known about a task stands beside the list, not below it."""

LOW = 14
"""Lines of a terminal below which there is room for the list only."""


class InboxScreen(OnTasks, inherit_bindings=False):
    """All tasks: those that need you, what is to be reviewed, what works, what waits, and what is done."""

    NAME: ClassVar[str] = "inbox"
    BINDINGS = bindings_of("inbox")
    HORIZONTAL_BREAKPOINTS: list[tuple[int, str]] | None = [  # noqa: RUF012 - so Textual has it
        (0, "-below"),
        (BESIDE, "-beside"),
    ]
    DEFAULT_CSS = """
    InboxScreen #tasks { height: 1fr; }
    InboxScreen.-below #tasks { layout: vertical; }
    InboxScreen.-beside #tasks { layout: horizontal; }
    InboxScreen #about { height: 6; border-top: solid ansi_bright_black; display: none; }
    InboxScreen.-beside #about { width: 2fr; height: 1fr; border-top: none; padding: 0 1; }
    InboxScreen.-beside #about { border-left: solid ansi_bright_black; }
    InboxScreen.-beside #list { width: 3fr; }
    """

    def __init__(self) -> None:
        super().__init__()
        self._view = InboxView((), 0, {})
        self._looked = self._problem = ""

    def body(self) -> Iterable[Widget]:
        """Return the list, and what is known about the task with the cursor."""
        with_list = Container(Lines(id="list"), Bar(id="about"), id="tasks")
        return (with_list,)

    def title_text(self) -> str:
        """Return the filter, so that nothing is hidden without a word."""
        return f"/ {self.place.filter}" if self.place.filter else ""

    @property
    def place(self) -> Place:
        """Where the person is."""
        return self.terok.place

    def here(self) -> str:
        """Return the task with the cursor."""
        item = self._view.chosen
        return item.key if item is not None and item.task is not None else ""

    def chosen(self) -> list[Task]:
        """Return the marked tasks, else the one with the cursor."""
        marked = [self.world.tasks[key] for key in sorted(self.place.marks) if key in self.world.tasks]
        return marked or super().chosen()

    def draw(self) -> None:
        """Draw the list and what is known about the task with the cursor."""
        world, now, place = self.world, self.now(), self.place
        view = self._view = view_of.inbox(world, place, now, before=self._view.items)
        if view.chosen is not None and (place.at == "" or place.at != view.chosen.key) and world.loaded:
            self.terok.place = place = view_of.moved(view, place, 0)

        def line(number: int, cells: int) -> Line:
            return self._line(view.items[number], now, cells)

        def empty(number: int, cells: int) -> Line:
            return (Span(fit(_EMPTY[number] if not place.filter else "  no task meets the filter", cells), "dim"),)

        lines = self.query_one("#list", Lines)
        if view.items or not world.loaded:
            lines.show(len(view.items), line, view.cursor)
        else:
            lines.show(1 if place.filter else len(_EMPTY), empty)
        self._draw_about(view, now)
        self.terok.watch_ages([item.task.since for item in view.items if item.task is not None])
        self.terok.tell_window()
        if view.problem or self._problem:
            self._problem = view.problem
            self.note(view.problem, error=True)

    def _line(self, item: Item, now: float, cells: int) -> Line:
        if item.task is None:
            count = f"  {item.size}" if item.folded else ""
            return (Span(fit(HEADS[item.group] + count, cells), item.group if item.group != "waiting" else "bold"),)
        world = self.world
        return row(
            item.task,
            world.short.get(item.key, item.key),
            now,
            cells,
            pending=world.pending.get(item.key, ""),
            marked=item.key in self.place.marks,
        )

    def _draw_about(self, view: InboxView, now: float) -> None:
        bar, item = self.query_one("#about", Bar), view.chosen
        task = item.task if item is not None else None
        bar.display = self.place.peek and self.size.height >= LOW
        if task is None or not bar.display:
            bar.show(lambda cells: [])
            return
        if self._looked != (looked := f"{task.id} {task.word} {task.since} {task.reason}"):
            self._looked = looked
            self.terok.latest.ask(task.id)
        bar.show(lambda cells: about(self.world, task, now, cells))

    def _move(self, steps: int) -> None:
        self.terok.place = view_of.moved(self._view, self.place, steps)
        self.redraw()

    def do_down(self) -> None:
        """Go down."""
        self._move(1)

    def do_up(self) -> None:
        """Go up."""
        self._move(-1)

    def do_page_down(self) -> None:
        """Go down by a page."""
        self._move(max(self.query_one("#list", Lines).size.height - 1, 1))

    def do_page_up(self) -> None:
        """Go up by a page."""
        self._move(-max(self.query_one("#list", Lines).size.height - 1, 1))

    def do_top(self) -> None:
        """Go to the first line."""
        self._move(-len(self._view.items))

    def do_bottom(self) -> None:
        """Go to the last line."""
        self._move(len(self._view.items))

    def do_open(self) -> None:
        """Open a task, fold or unfold a group."""
        if task := self.here():
            self.terok.open_page("task", task=task)
        else:
            self.do_fold()

    def do_fold(self) -> None:
        """Fold the group, or unfold it."""
        self.terok.place = view_of.folded(self._view, self.place)
        self.redraw()

    def do_peek(self) -> None:
        """Show or hide what is known about the task."""
        self.terok.place = replace(self.place, peek=not self.place.peek)
        self.redraw()

    def do_mark(self) -> None:
        """Mark the task."""
        self.terok.place = view_of.marked(self._view, self.place)
        self.redraw()

    def do_mark_all(self) -> None:
        """Mark all."""
        self.terok.place = view_of.all_marked(self._view, self.place)
        self.redraw()

    def do_filter(self) -> None:
        """Show only tasks that meet a filter; it is applied while it is written."""
        before = self.place.filter

        def keep(text: str) -> None:
            self.terok.place = replace(self.place, filter=text)
            self.redraw()

        self.ask(
            "filter:",
            keep,
            text=before,
            changed=keep,
            cancelled=lambda: keep(""),
            hint="s:question p:web a:demo age:>1h cost:>1 !s:done words",
        )

    def do_back(self) -> None:
        """Take back filter and marks; there is no screen before this one."""
        self.terok.place = replace(self.place, filter="", marks=frozenset())
        self.redraw()

    def go_to(self, task: Task) -> None:
        """Put the cursor on a task."""
        folded = self.place.folded - {task.group}
        self.terok.place = replace(self.place, at=task.id, folded=folded, filter="")
        self.redraw()

    def on_lines_picked(self, event: Lines.Picked) -> None:
        """Put the cursor where the mouse is; a second click opens."""
        item = self._view.items[event.number] if event.number < len(self._view.items) else None
        if item is None:
            return
        self.terok.place = replace(self.place, at=item.key)
        self.redraw()
        if item.task is None:
            self.do_fold()
        elif event.opened:
            self.do_open()


_EMPTY = (
    "",
    "  no task yet",
    "",
    "  n  starts one in a project",
    "  :  runs any command of terok, such as: project wizard",
    "  H  looks for what is wrong with the set-up",
    "  ?  shows every key",
)
