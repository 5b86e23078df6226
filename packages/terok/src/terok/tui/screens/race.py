"""The attempts of a race: compared, read, and one of them kept."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial
from typing import ClassVar, Final

from terok_util import safe_text
from textual.widget import Widget

from terok.model.race import Standing
from terok.model.task import Task
from terok.tui.background.race import Judged, board_of
from terok.tui.background.review import Trouble
from terok.tui.bindings import bindings_of
from terok.tui.screens.on_tasks import OnTasks
from terok.tui.views.race import about, attempt_line, head, other_of
from terok.tui.views.text import Line, said, several
from terok.tui.widgets.lines import Bar, Lines

_PACE: Final = 1.0
"""Seconds between two readings of a race of which new things are told without a pause."""


class RaceScreen(OnTasks, inherit_bindings=False):
    """A race, opened from one of its attempts."""

    NAME: ClassVar[str] = "race"
    BINDINGS = bindings_of("race")
    DEFAULT_CSS = """
    RaceScreen #head-of-race { height: 3; }
    RaceScreen #about { height: 8; border-top: solid ansi_bright_black; }
    """

    def __init__(self, task: str) -> None:
        super().__init__()
        self._asked_for = task
        self._chosen = task
        self._judged: Judged | None = None
        self._trouble: Trouble | None = None
        self._known: tuple[Task, ...] = ()
        self._reading = False

    def body(self) -> Iterable[Widget]:
        """Return what was asked, the attempts, and what is known about the one with the cursor."""
        return Bar(id="head-of-race"), Lines(id="list"), Bar(id="about")

    def here(self) -> str:
        """Return the task of the attempt with the cursor."""
        return self._chosen

    def title_text(self) -> str:
        """Return the race's name."""
        return f"race {self._judged.board.race.name}" if self._judged is not None else "race"

    def on_mount(self) -> None:
        """Begin to read."""
        super().on_mount()
        self.do_race()

    @property
    def _standing(self) -> Standing | None:
        rows = self._judged.board.standings if self._judged is not None else ()
        return next((one for one in rows if one.task == self._chosen), rows[0] if rows else None)

    def draw(self) -> None:
        """Draw the attempts, and have the race read again if one of them has changed."""
        lines, bar, top = self.query_one(Lines), self.query_one("#about", Bar), self.query_one("#head-of-race", Bar)
        judged, one = self._judged, self._standing
        if judged is None or one is None:
            trouble = self._trouble
            words = [said("reading…", "dim")]
            if trouble is not None:
                words = [said(trouble.message, "error"), said(trouble.hint)]
            lines.show(len(words), lambda number, cells: (words[number],))
            bar.show(lambda cells: [])
            return
        board, rows = judged.board, judged.board.standings
        self._chosen = one.task

        def line(number: int, cells: int) -> Line:
            return attempt_line(rows[number], board, judged.short, cells)

        top.styles.height = 3 if board.race.command else 2
        top.show(lambda cells: head(board, cells))
        lines.show(len(rows), line, rows.index(one))
        bar.show(lambda cells: about(board, one, cells))
        if not self._reading and not _same(self._known, self._attempts()):
            self._reading = True
            self.set_timer(_PACE, self.do_race)

    def _attempts(self) -> tuple[Task, ...]:
        """Return the tasks of the attempts; one of which anything was told is another value than before."""
        race = self._judged.board.race.id if self._judged is not None else ""
        return tuple(task for task in self.world.tasks.values() if task.race == race)

    def do_race(self) -> None:
        """Read the race again."""
        self._reading = True
        known = self._attempts() if self._judged is not None else None
        self.terok.read("reading the race", lambda _: board_of(self._asked_for), partial(self._read, known))

    def _read(self, known: tuple[Task, ...] | None, found: Judged | Trouble) -> None:
        self._reading = False
        if isinstance(found, Trouble):
            self._trouble = found
        else:
            self._judged = found
            self._known = self._attempts() if known is None else known
        self.redraw()

    def _move(self, steps: int) -> None:
        one = self._standing
        if self._judged is None or one is None:
            return
        rows = self._judged.board.standings
        self._chosen = rows[min(max(rows.index(one) + steps, 0), len(rows) - 1)].task
        self.redraw()

    def do_down(self) -> None:
        """Go down."""
        self._move(1)

    def do_up(self) -> None:
        """Go up."""
        self._move(-1)

    def do_page_down(self) -> None:
        """Go down by a page."""
        self._move(max(self.query_one(Lines).size.height - 1, 1))

    def do_page_up(self) -> None:
        """Go up by a page."""
        self._move(-max(self.query_one(Lines).size.height - 1, 1))

    def do_top(self) -> None:
        """Go to the first attempt."""
        self._move(-1000)

    def do_bottom(self) -> None:
        """Go to the last attempt."""
        self._move(1000)

    def do_judge(self) -> None:
        """Show what the attempt brings."""
        if self._with_work() is not None:
            self.do_review()

    def do_compare(self) -> None:
        """Show how the attempt differs from another one."""
        one = self._with_work()
        if one is None or self._judged is None:
            return
        other = other_of(self._judged.board, one.number)
        if other is None:
            self.note("no other attempt has brought anything", error=True)
            return
        self.ask(f"compare attempt {one.number} with:", partial(self._compare, one), text=str(other))

    def _compare(self, one: Standing, text: str) -> None:
        rows = self._judged.board.standings if self._judged is not None else ()
        other = next((row for row in rows if str(row.number) == text.strip() and row.number != one.number), None)
        if other is None or not other.tip or self._judged is None:
            self.note("there is nothing to compare with under this number", error=True)
            return
        self.terok.open_page("compare", race=self._judged.board.race, one=one, other=other)

    def do_keep(self) -> None:
        """Promote the attempt and archive the others, after where to was asked."""
        one = self._with_work()
        if one is None or self._judged is None:
            return
        if self._judged.board.race.kept:
            self.note("an attempt is kept already", hint="u takes that back", error=True)
            return
        self.ask(f"keep attempt {one.number}, promoted to branch:", partial(self._keep, one), text=one.branch)

    def _keep(self, one: Standing, target: str) -> None:
        target = target.strip()
        if not target or self._judged is None:
            return
        others = sum(row.fate == "here" and row.task != one.task for row in self._judged.board.standings)
        flags = f", with {several(one.findings, 'finding')} that you have looked at" if one.findings else ""
        words = ["race", "keep", one.task, "--to", target, *(["--accept-flags"] if one.findings else [])]
        name, where = safe_text(one.name, limit=40), safe_text(target, limit=60)
        self.confirm(
            f"promote {name} to {where} and archive the other {others}{flags}", lambda: self.terok.run_verb(*words)
        )

    def _with_work(self) -> Standing | None:
        one = self._standing
        if one is None or not one.tip:
            self.note("this attempt has brought nothing yet", error=True)
            return None
        return one

    def go_to(self, task: Task) -> None:
        """Put the cursor on an attempt of this race, or show another task."""
        if self._judged is not None and any(row.task == task.id for row in self._judged.board.standings):
            self._chosen = task.id
            self.redraw()
        else:
            super().go_to(task)

    def on_screen_resume(self) -> None:
        """Read again, because something may have been decided on another screen."""
        super().on_screen_resume()
        if self._judged is not None:
            self.do_race()

    def on_lines_picked(self, event: Lines.Picked) -> None:
        """Put the cursor where the mouse is; a second click shows what the attempt brings."""
        rows = self._judged.board.standings if self._judged is not None else ()
        if event.number < len(rows):
            self._chosen = rows[event.number].task
            self.redraw()
            if event.opened:
                self.do_judge()


def _same(before: tuple[Task, ...], now: tuple[Task, ...]) -> bool:
    return len(before) == len(now) and all(one is other for one, other in zip(before, now, strict=True))
