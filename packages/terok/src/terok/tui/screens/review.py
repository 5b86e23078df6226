"""A review: what a task brings, with comments and findings on their lines, and what a person says about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

from textual.widget import Widget

from terok.model.task import Task
from terok.tui.background.reviewing import about_work, read_sheet
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_rows import OnRows
from terok.tui.screens.on_tasks import OnTasks
from terok.tui.views.review import Sheet, row_line
from terok.tui.views.text import Span
from terok.tui.widgets.lines import Lines

if TYPE_CHECKING:
    from terok.services import Reviews
    from terok.services.gates import Work

_NOTHING = Sheet("review", (), (), frozenset(), since=False)


class ReviewScreen(OnRows, OnTasks, inherit_bindings=False):
    """What a task has pushed, to be looked at line by line."""

    NAME: ClassVar[str] = "review"
    BINDINGS = bindings_of("review")

    def __init__(self, task: str) -> None:
        super().__init__()
        self._subject = task
        self._sheet = _NOTHING
        self._since = self._spaces = self._came = False
        """Whether only what is new is shown, white space does not count, and it has been read."""

    def body(self) -> Iterable[Widget]:
        """Return the rows."""
        return (Lines(),)

    def here(self) -> str:
        """Return the task."""
        return self._subject

    def title_text(self) -> str:
        """Return branch and commit, and what is left out."""
        left = [words for words, yes in (("since last", self._since), ("no spaces", self._spaces)) if yes]
        return ", ".join([self._sheet.title, *left])

    @property
    def count(self) -> int:
        """The number of rows."""
        return len(self._sheet.rows)

    def on_mount(self) -> None:
        """Read it."""
        super().on_mount()
        self._read()

    def _read(self) -> None:
        job = partial(read_sheet, self._subject, since=self._since, ignore_space=self._spaces)
        self.terok.read("reading the review", lambda _: job(), self._with_sheet)

    def _with_sheet(self, found: Sheet) -> None:
        self._sheet, self._came = found, True
        self.move(self.at)

    def draw(self) -> None:
        """Draw the rows."""
        rows = self._sheet.rows
        if rows:
            self.lines.show(len(rows), lambda number, cells: row_line(rows[number], cells), self.at)
        else:
            words = "nothing is there to be reviewed" if self._came else "reading…"
            self.lines.show(1, lambda number, cells: (Span(words, "dim"),))

    def go_to(self, task: Task) -> None:
        """Show what another task brings."""
        self._subject, self._sheet, self._came, self.at = task.id, _NOTHING, False, 0
        self.redraw()
        self._read()

    def do_review(self) -> None:
        """Read it again."""
        self._read()

    def do_next_file(self) -> None:
        """Go to the next file."""
        self.move(self._sheet.next_file(self.at, 1))

    def do_previous_file(self) -> None:
        """Go to the file before."""
        self.move(self._sheet.next_file(self.at, -1))

    def do_since(self) -> None:
        """Show only what is different since it was looked at last, or everything."""
        self._since = not self._since
        self._read()

    def do_spaces(self) -> None:
        """Leave out what differs in white space only, or no longer."""
        self._spaces = not self._spaces
        self._read()

    def do_comment(self) -> None:
        """Comment on the line, the file or everything."""
        where = self._sheet.rows[self.at].where if self._sheet.rows else ""
        self.ask(
            f"comment on {where or 'all of it'}:",
            lambda text: self._comment(where, text),
            hint="the agent gets it with its next follow-up",
        )

    def _comment(self, where: str, text: str) -> None:
        if text.strip():
            self._do("commenting", lambda reviews, work: reviews.comment(work, where, text), "comment {} is written")

    def do_viewed(self) -> None:
        """Mark the file as viewed for as long as it stays as it is, or no longer."""
        path = self._sheet.file_at(self.at)
        if not path:
            self.note("go to a file first", error=True)
            return
        on = path not in self._sheet.viewed
        self._do("marking", lambda reviews, work: reviews.mark_viewed(work, path, on=on), "")

    def do_check(self) -> None:
        """Run a command on the reviewed commit, in a container of its own."""
        self.ask("check:", self._check, hint="a command, such as: make test")

    def _check(self, command: str) -> None:
        if command.strip():
            self._do("checking", lambda reviews, work: reviews.check(work, command.strip()).state, "the check has {}")

    def _do(self, words: str, deed: Callable[[Reviews, Work], Any], told: str) -> None:
        def then(result: Any) -> str:
            self._read()
            return told.format(result)

        self.terok.act(words, about_work(self._subject, deed), (self._subject,), then=then)
