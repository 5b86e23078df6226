"""The base of every screen: header, a line for notes, a line to write in, footer, and the actions that work anywhere.

A screen is a subclass with a `NAME` that stands in the keymap. It gives `body`, draws in `draw` whenever the world has
changed, and has a method `do_<action>` for each of its actions.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Any, ClassVar, cast

from textual.app import ComposeResult
from textual.css.query import NoMatches
from textual.screen import Screen
from textual.widget import Widget

from terok.tui.views.footer import entries, entry_at, footer
from terok.tui.views.header import header
from terok.tui.views.inbox import next_needing
from terok.tui.views.text import Line, Span, cropped, said, width, wrapped
from terok.tui.widgets.ask import Ask, Question
from terok.tui.widgets.lines import Bar

if TYPE_CHECKING:
    from terok.model.task import Task
    from terok.tui.program import Program
    from terok.tui.views.choice import Option
    from terok.tui.views.world import World

_NOTE = 3
"""Lines that a note takes at most, and those that its hint takes."""


class Page(Screen[None], inherit_bindings=False):
    """A screen of the terminal interface."""

    NAME: ClassVar[str] = ""
    AUTO_FOCUS: ClassVar[str | None] = "Lines"
    DEFAULT_CSS = """
    Page { background: ansi_default; layout: vertical; }
    Page #note { height: 1; display: none; }
    """

    @property
    def terok(self) -> Program:
        """The program."""
        return cast("Program", self.app)

    @property
    def world(self) -> World:
        """Everything that is known."""
        return self.terok.world

    def body(self) -> Iterable[Widget]:
        """Return the widgets between header and footer."""
        return ()

    def title_text(self) -> str:
        """Return what the header calls this screen; "" for the inbox."""
        return ""

    def draw(self) -> None:
        """Draw everything anew from the world; called when it has changed, and when the screen comes to the front."""

    def here(self) -> str:
        """Return the task that this screen is about, "" for none."""
        return ""

    def idle(self) -> dict[str, str]:
        """Return the actions that cannot be done now, each with the reason that its key shows."""
        return {}

    def compose(self) -> ComposeResult:
        """Put the parts below one another."""
        yield Bar(id="head")
        yield from self.body()
        yield Bar(id="note")
        yield Ask(self.focus_body)
        yield Bar(id="foot")

    def on_mount(self) -> None:
        """Draw for the first time."""
        self.redraw()

    def on_screen_resume(self) -> None:
        """Draw what has happened while another screen was in front."""
        self.redraw()

    def on_resize(self) -> None:
        """Draw for the new size."""
        self.redraw()

    def redraw(self) -> None:
        """Draw header, footer and body."""
        if not self.is_mounted:
            return
        with suppress(NoMatches):  # while the screen goes, its parts go one by one
            self._draw_all()

    def _draw_all(self) -> None:
        world, title, idle = self.world, self.title_text(), self.idle()
        self.query_one("#head", Bar).show(lambda cells: [header(world, cells, title=title)])
        keys = self.terok.keys
        self.query_one("#foot", Bar).show(lambda cells: [footer(self.NAME, keys, cells, idle=idle)])
        self.draw()

    def note(self, text: str, *, hint: str = "", error: bool = False) -> None:
        """Show a line above the footer until the next key; an error with what to do about it."""
        style, cells = "error" if error else "bold", max(self.size.width, 20)
        line: Line = (*((said(text, style),) if text else ()), *((Span("  "), said(hint)) if hint else ()))
        if width(line) <= cells:
            self._show_note(*([line] if line else []))
            return
        lines = [(Span(part, style),) for part in wrapped(text, cells, limit=_NOTE)]
        self._show_note(*lines, *((Span(part),) for part in wrapped(hint, cells, limit=_NOTE) if hint))

    def progress(self, words: str, text: str) -> None:
        """Show at what step an action is that is under way."""
        self.note(f"{words}: {text}")

    def _show_note(self, *lines: Line) -> None:
        bar = self.query_one("#note", Bar)
        bar.display, bar.styles.height = bool(lines), max(len(lines), 1)
        bar.show(lambda cells: [cropped(line, cells) for line in lines])

    def action_do(self, name: str, *values: Any) -> None:
        """Do what a key stands for, or say why that is not possible."""
        self._show_note()
        if reason := self.idle().get(name):
            self.note(reason, error=True)
            return
        getattr(self, f"do_{name}")(*values)

    def ask(self, words: str, done: Callable[[str], Any], **more: Any) -> None:
        """Ask for a line of text."""
        self.query_one(Ask).ask(Question(words, done, **more))

    def confirm(self, words: str, then: Callable[[], Any]) -> None:
        """Ask whether something is to be done: Enter does it, Esc does not."""
        self.ask(f"{words}? enter does it, esc does not", lambda _: then())

    def choose(
        self,
        words: str,
        options: Sequence[Option],
        then: Callable[[str], Any],
        *,
        about: Callable[[int], list[Line]] | None = None,
    ) -> None:
        """Let one of several things be chosen; the cursor is on the first. Esc chooses nothing."""
        self.terok.open_page("choice", words=words, options=options, then=then, about=about)

    def on_bar_clicked(self, event: Bar.Clicked) -> None:
        """Do what was clicked in the footer."""
        if event.bar.id == "foot":
            shown = entries(self.NAME, self.terok.keys, event.bar.content_size.width)
            if name := entry_at(shown, event.x):
                self.action_do(name)

    def focus_body(self) -> None:
        """Give the keys to the body, or to the line in which something is asked."""
        asking = self.query_one(Ask).asking
        found = list(self.query("Ask Input" if asking else self.AUTO_FOCUS or "Lines"))
        self.set_focus(found[0] if found else None)

    # Actions that work on every screen.

    def do_back(self) -> None:
        """Go back to the screen before."""
        if len(self.app.screen_stack) > 1:
            self.app.pop_screen()

    def do_quit(self) -> None:
        """Leave; what is under way is named once before."""
        self.terok.leave()

    def do_reload(self) -> None:
        """Begin again, with the version that is installed now."""
        self.terok.begin_again()

    def do_help(self) -> None:
        """Show every key of this screen."""
        self.terok.open_page("help", of=self.NAME)

    def do_palette(self) -> None:
        """Let everything be chosen by name."""
        self.terok.open_page("palette", of=self)

    def do_next_needing(self, step: int = 1) -> None:
        """Go to the next task that needs a person."""
        task = next_needing(self.world.tasks.values(), self.here(), step)
        if task is None:
            self.note("nothing needs you")
        else:
            self.go_to(task)

    def do_previous_needing(self) -> None:
        """Go to the one before."""
        self.do_next_needing(-1)

    def go_to(self, task: Task) -> None:
        """Show a task on this screen or, where that is not possible, on its own."""
        self.terok.open_page("task", task=task.id)

    def do_command(self) -> None:
        """Run any command of terok, and show what it says."""

        def run(text: str) -> None:
            if text.strip():
                self.terok.run_line(text)

        self.ask("terok", run, hint="any command, such as: project list")

    def do_new(self) -> None:
        """Ask for a task: what is to be done first, then everything else, which is proposed."""
        projects = sorted({task.project for task in self.world.tasks.values()})
        here = self.world.tasks.get(self.here())
        self.terok.open_page("new", project=here.project if here is not None else projects[0] if projects else "")

    def do_projects(self) -> None:
        """Show all projects."""
        self.terok.open_page("projects")

    def do_settings(self) -> None:
        """Show the settings of `config.yml`."""
        self.terok.open_page("settings")

    def do_storage(self) -> None:
        """Show what is kept on disk."""
        self.terok.open_page("storage")

    def do_usage(self) -> None:
        """Show what all tasks have used."""
        self.terok.open_page("usage")

    def do_undo(self) -> None:
        """Take back the last thing that can be."""
        self.terok.undo()

    def do_clearance(self) -> None:
        """Show what tasks want to reach and were refused."""
        self.terok.open_page("clearance")

    def do_vault(self) -> None:
        """Show credentials, tokens and budgets."""
        self.terok.open_page("vault")

    def do_operations(self) -> None:
        """Show what can be taken back."""
        self.terok.open_page("operations")

    def do_sickbay(self) -> None:
        """Look for what is wrong."""
        self.terok.open_page("sickbay")

    def do_panic(self) -> None:
        """Cut everything off, or end the lockdown, after the word was typed."""

        def sure(text: str) -> None:
            word = text.strip().lower()
            if word in ("", "panic", "clear"):
                self.panic(word)
            else:
                self.note("nothing was done", error=True)

        self.ask("type panic to cut every container off, or clear to end a lockdown:", sure)

    def panic(self, word: str) -> None:
        """Cut everything off, or end the lockdown, where that is shown."""
        self.terok.open_page("panic", word=word)

    @staticmethod
    def now() -> float:
        """Return the time, in seconds since the epoch."""
        return time.time()
