"""One task: its state with all evidence, what it asks, and its output."""

from __future__ import annotations

from collections.abc import Iterable
from typing import ClassVar

from textual.widget import Widget

from terok.model.task import Task
from terok.tui.background.output import Grown
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_output import OnOutput
from terok.tui.screens.on_tasks import OnTasks
from terok.tui.views.about import about
from terok.tui.views.text import Span
from terok.tui.widgets.lines import Bar

_TAIL = "2000"
"""Lines of an output that are read at first."""


class TaskScreen(OnOutput, OnTasks, inherit_bindings=False):
    """A task."""

    NAME: ClassVar[str] = "task"
    BINDINGS = bindings_of("task")
    DEFAULT_CSS = """
    TaskScreen #about { height: auto; max-height: 12; }
    TaskScreen Log { border-top: solid ansi_bright_black; }
    """

    def __init__(self, task: str) -> None:
        super().__init__()
        self._subject = task
        self._raw = False
        self._looked = ""

    def body(self) -> Iterable[Widget]:
        """Return what is known about the task, above its output."""
        return Bar(id="about"), self.log_lines

    def here(self) -> str:
        """Return the task."""
        return self._subject

    def title_text(self) -> str:
        """Return the task's name."""
        task = self.world.tasks.get(self._subject)
        return f"{task.project}/{task.name}" if task is not None else self._subject

    def on_mount(self) -> None:
        """Begin with its output."""
        super().on_mount()
        self._read()

    def _read(self) -> None:
        if (before := self.log_lines.output) is not None:
            before.close()
        task = self.world.tasks.get(self._subject)
        words = ["task", "logs", self._subject, "--tail", _TAIL]
        words += ["--raw"] if self._raw else []
        words += ["--follow"] if task is not None and task.process == "up" else []
        self.log_lines.take(self.terok.output(words))

    def draw(self) -> None:
        """Draw what is known about the task."""
        bar, task, now = self.query_one("#about", Bar), self.world.tasks.get(self._subject), self.now()
        if task is None:
            bar.styles.height = 1
            bar.show(lambda cells: [(Span("this task is deleted or archived; u brings it back", "error"),)])
            return
        if self._looked != (looked := f"{task.word} {task.since} {task.reason}"):
            self._looked = looked
            self.terok.latest.ask(task.id)
            output = self.log_lines.output
            if output is not None and output.ended is not None and task.process == "up":
                self._read()  # it runs again
        lines = about(self.world, task, now, max(self.size.width, 20))
        bar.styles.height = max(1, min(len(lines), max(self.size.height // 2, 3)))
        bar.show(lambda cells: about(self.world, task, now, cells))
        self.terok.watch_ages([task.since])

    def output_changed(self, value: Grown) -> None:
        """Say why there is no output."""
        if value.error:
            self.note(value.error, error=True)

    def do_raw(self) -> None:
        """Show the output as it is, or as a transcript."""
        self._raw = not self._raw
        self._read()
        self.note("as the agent prints it" if self._raw else "as a transcript")

    def do_log(self) -> None:
        """Go to the end of the output."""
        self.do_bottom()

    def go_to(self, task: Task) -> None:
        """Show another task here."""
        self._subject, self._looked = task.id, ""
        self._read()
        self.redraw()
