"""The work of a task: read, commented, checked, and sent upstream or turned down."""

from __future__ import annotations

from functools import partial
from typing import ClassVar, NamedTuple

from terok_util import safe_text

from terok.model.task import Task
from terok.services.review_look import Look
from terok.tui.background import review as work
from terok.tui.background.review import Found, Trouble, pair_of
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_tasks import OnTasks
from terok.tui.screens.review_diff import OnDiff
from terok.tui.screens.review_promotion import Promotion
from terok.tui.views.review import FILES, LINES
from terok.tui.views.review_overview import overview
from terok.tui.views.review_remarks import open_comments, remarks
from terok.tui.views.review_sheet import Sheet, place_of
from terok.tui.views.text import several

_LETTER = "Please look at my comments."


class Mode(NamedTuple):
    """Which changes are read: only those since the last round, and whether white space counts."""

    since: bool = False
    ignore_space: bool = False


class ReviewScreen(OnDiff, OnTasks, inherit_bindings=False):
    """The review of a task."""

    NAME: ClassVar[str] = "review"
    BINDINGS = bindings_of("review")

    def __init__(self, task: str) -> None:
        super().__init__()
        self._subject = task
        self._seen: Look | None = None
        self._mode = Mode()
        self._judged: tuple[object, ...] = ()
        self._newer = False
        self._writes = 0
        """Things that were written since; records that were read before are read once more."""

    def here(self) -> str:
        """Return the task."""
        return self._subject

    def title_text(self) -> str:
        """Return the task's name, what of it is shown, and whether there is newer work."""
        task = self.world.tasks.get(self._subject)
        words = [f"review {task.project}/{task.name}" if task is not None else f"review {self._subject}"]
        words += ["since last"] if self._mode.since else []
        words += ["without spaces"] if self._mode.ignore_space else []
        words += ["(newer work is there: v looks again)"] if self._newer else []
        return " ".join(words)

    def on_mount(self) -> None:
        """Begin to read."""
        super().on_mount()
        self._look(self._mode)

    def on_screen_resume(self) -> None:
        """Show what was recorded while another screen was in front, such as a check."""
        super().on_screen_resume()
        self._read_records()

    def _look(self, mode: Mode) -> None:
        job = partial(work.look, self._subject, since=mode.since, ignore_space=mode.ignore_space)
        self.terok.read("reading the review", lambda _: job(), partial(self._looked, self._subject, mode))

    def _looked(self, subject: str, mode: Mode, found: Found | Trouble) -> None:
        if subject != self._subject:
            return
        if isinstance(found, Trouble):
            if self._seen is not None:
                self.note(found.message, hint=found.hint, error=True)
            else:
                self.trouble = found
                self.redraw()
            return
        look, self.line_counts = found
        self._mode, self._seen, self._newer = mode, look, False
        self._judged = _judgement(self.world.tasks.get(subject))
        self.viewed, self.all_lines = look.viewed, look.changes.whole
        self.pair = pair_of(look, ignore_space=mode.ignore_space)
        self.show_files(look.changes.files, remarks(look), whole="the whole")
        # What is drawn now counts as seen.
        self.terok.read("recording the review", lambda _: work.record(look), lambda _: None)

    def whole_sheet(self, cells: int) -> Sheet:
        """Return what is to be read before the files."""
        look = self._seen
        return overview(look, self.said.get("", ()), cells, self.now()) if look else super().whole_sheet(cells)

    def draw(self) -> None:
        """Draw, and read the records again if the task has changed."""
        super().draw()
        if self._seen is not None and self._judged != (now := _judgement(self.world.tasks.get(self._subject))):
            self._judged = now
            self._read_records()

    def _read_records(self) -> None:
        if (look := self._seen) is not None:
            self.terok.read(
                "reading the records", lambda _: work.records(look), partial(self._fresh, look, self._writes)
            )

    def _fresh(self, before: Look, writes: int, found: tuple[Look, bool]) -> None:
        if writes != self._writes:
            self._read_records()
        elif self._take(before, found[0]):
            self._newer = found[1]
            self.redraw()

    def _wrote(self, before: Look, look: Look) -> None:
        self._writes += 1
        self._take(before, look)

    def _take(self, before: Look, look: Look) -> bool:
        """Show a look with newer records; returns False if another commit is looked at by now."""
        if self._seen is None or self._seen.reviewed != before.reviewed or self._seen.since != before.since:
            return False
        same = (look.comments, look.checks) == (self._seen.comments, self._seen.checks)
        self._seen, self.viewed = look, look.viewed
        if same:
            self.redraw()
        else:
            self.show_said(remarks(look))
        return True

    # What a person does.

    def do_review(self) -> None:
        """Look again."""
        self._look(self._mode)

    def do_since(self) -> None:
        """Show only what is new since the last look, or all."""
        self._look(self._mode._replace(since=not self._mode.since))

    def do_spaces(self) -> None:
        """Leave changes of white space out, or show them."""
        self._look(self._mode._replace(ignore_space=not self._mode.ignore_space))

    def do_select(self) -> None:
        """Begin a range of lines at the cursor, or give it up."""
        if self.spot.region != LINES or self.sheet is None:
            self.note("go to the lines first: enter", error=True)
            return
        self.spot = self.spot._replace(anchor=self.spot.row if self.spot.anchor is None else None)
        self.redraw()

    def do_comment(self) -> None:
        """Write a comment about the lines, or an answer to the comment."""
        look, place = self._seen, self._place()
        if look is None:
            self.note("there is nothing to comment on", error=True)
        elif place is None:
            self.note("this was gone before; a comment on it needs all changes: i", error=True)
        else:
            about = f"answer {place}" if place.startswith("#") else f"comment on {place or 'all of it'}"
            self.ask(f"{safe_text(about, limit=60)}:", partial(self._comment, look, place), hint="esc leaves it")

    def _place(self) -> str | None:
        spot, entry = self.spot, self.entry
        if entry is None or spot.region == FILES or self.sheet is None:
            return entry.path if entry is not None else ""
        last = spot.row if spot.anchor is None else spot.anchor
        return place_of(self.rows, spot.row, last, entry.path, since=self._mode.since)

    def _comment(self, look: Look, place: str, text: str) -> None:
        if not text.strip():
            return

        def written(result: tuple[Look, int]) -> str:
            self.spot = self.spot._replace(anchor=None)
            self._wrote(look, result[0])
            return f"comment {result[1]} goes with what you write next: r"

        job = partial(work.comment, look, place, text)
        self.terok.act("writing a comment", job, (self._subject,), then=written)

    def do_resolve(self) -> None:
        """Settle the comment at the cursor."""
        row = self.rows[self.spot.row] if self.spot.region == LINES and self.spot.row < len(self.rows) else None
        remark, look = row.remark if row is not None else None, self._seen
        if remark is None or not remark.comment or look is None:
            self.note("go to a comment first", error=True)
            return

        def settled(found: Look) -> str:
            self._wrote(look, found)
            return f"comment {remark.comment} is settled"

        job = partial(work.resolve, look, remark.comment)
        self.terok.act(f"settling comment {remark.comment}", job, (self._subject,), then=settled)

    def do_viewed(self) -> None:
        """Mark the file as viewed and go to the next, or take the mark back."""
        entry, look = self.entry, self._seen
        if entry is None or entry.file is None or look is None:
            self.note("choose a file first", error=True)
            return
        at, on = self.spot.entry, (entry.path, entry.file.new_blob) not in self.viewed

        def marked(found: Look) -> None:
            self._wrote(look, found)
            if on and self.spot.entry == at:
                self.do_next_file()

        job = partial(work.mark, look, entry.path, on=on)
        self.terok.act(f"marking {safe_text(entry.name, limit=60)}", job, (self._subject,), then=marked)

    def do_reply(self) -> None:
        """Write what the agent does next; the comments that wait go with it."""
        task, waiting = self.only(), open_comments(self._seen) if self._seen is not None else 0
        if task is None or not waiting or task.mode != "headless":
            super().do_reply()
            return
        words = f"next for {task.name}, with {several(waiting, 'comment')}:"
        self.ask(words, partial(self._reply, task), text=_LETTER, hint="esc leaves it unsent")

    def do_check(self) -> None:
        """Run a command on the commit, and show what it prints."""
        if (task := self.only()) is None or (look := self._seen) is None:
            return
        before = look.checks[-1].command if look.checks else ""
        branch = look.work.branch

        def run(text: str) -> None:
            if text.strip():
                self.terok.run_verb("review", task.id, "--branch", branch, f"--check={text.strip()}")

        self.ask("check:", run, text=before, hint="a command of the shell, such as: make test")

    def do_promote(self) -> None:
        """Send what was read to the upstream: asks where to, and for what pull request."""
        if (task := self.only()) is None:
            return
        if self._seen is None:
            self.note("there is nothing to promote", error=True)
        else:
            Promotion(self, self._seen, task.id).ask_target()

    def go_to(self, task: Task) -> None:
        """Show the review of another task here, or the task itself if it needs something else."""
        if task.word != "review":
            super().go_to(task)
            return
        self._subject, self._seen, self._newer = task.id, None, False
        self.spot, self.tree_of, self.trouble = self.spot._replace(entry=0, row=0, anchor=None), (), None
        self._look(self._mode._replace(since=False))
        self.redraw()


def _judgement(task: Task | None) -> tuple[object, ...]:
    return (task.word, task.since, task.reason) if task is not None else ()
