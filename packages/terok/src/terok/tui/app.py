"""The program: holds the world, takes news from the threads, and opens screens. It does no input or output itself."""

from __future__ import annotations

import os
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from terok_util import safe_text
from textual.app import App
from textual.binding import Binding, BindingType
from textual.events import Key
from textual.message import Message
from textual.screen import Screen
from textual.timer import Timer

from terok.tui.background.feed import Feed, Source
from terok.tui.background.latest import Latest
from terok.tui.background.opening import opened, tmux_window
from terok.tui.background.output import Grown, Output
from terok.tui.background.works import Ended, Progress, Works
from terok.tui.pages import PAGES
from terok.tui.screens.inbox import InboxScreen
from terok.tui.screens.page import Page
from terok.tui.theme import DEFAULT, looks
from terok.tui.views.header import window_title
from terok.tui.views.inbox import Place
from terok.tui.views.rows import next_edge
from terok.tui.views.world import Begun, News, Settled, World, after

QUIT_AGAIN: Final = 5.0
"""Seconds in which a second key leaves although something is under way."""


class Posted(Message):
    """A value from a thread."""

    def __init__(self, value: Any) -> None:
        super().__init__()
        self.value = value


class TerokApp(App[list[str]], inherit_bindings=False):
    """The terminal interface. Its result is a command line to go on with in this terminal, empty to leave."""

    TITLE = "terok"
    ENABLE_COMMAND_PALETTE = False
    CSS = "Screen { background: ansi_default; }"
    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("ctrl+c", "leave", show=False),
        Binding("ctrl+z", "suspend_process", show=False),
    ]

    def __init__(
        self,
        place: Place,
        keys: Mapping[str, str],
        *,
        theme: str = DEFAULT,
        source: Source | None = None,
        driver: Any = None,
    ) -> None:
        super().__init__(driver_class=driver, ansi_color=True)
        self.world, self.place, self.keys = World(), place, keys
        self.looks = looks(theme)
        self.works = Works(self.post)
        self.feed = Feed(self.post, source)
        self.latest = Latest(self.post)
        self._then: dict[int, Callable[[Ended], None]] = {}
        self._ages: Timer | None = None
        self._asked_to_leave = 0.0
        self._opening = 0
        self._held: list[Key] = []
        self.set_keymap({name: key for name, key in keys.items() if name != "answer"})

    def post(self, value: Any) -> None:
        """Hand a value to the loop, from any thread."""
        self.post_message(Posted(value))

    def get_default_screen(self) -> Screen[Any]:
        """Begin with the inbox."""
        return InboxScreen()

    def on_mount(self) -> None:
        """Start the threads once there is something that can draw what they say."""
        self.theme = "ansi-dark"
        self.feed.start()
        self.latest.start()

    @property
    def page(self) -> Page | None:
        """The screen in front."""
        front = self.screen_stack[-1:]  # empty while the program ends
        return front[0] if front and isinstance(front[0], Page) else None

    def on_posted(self, message: Posted) -> None:
        """Take a value from a thread."""
        value = message.value
        if isinstance(value, Grown):
            self._grown(value)
        elif isinstance(value, Ended):
            self._ended(value)
        elif isinstance(value, Progress):
            if self.page is not None:
                self.page.progress(value.work.words, value.text)
        else:
            self.learn(value)

    def learn(self, news: News) -> None:
        """Make a piece of news part of the world, and have it drawn."""
        self.world = after(news, self.world)
        if self.page is not None:
            self.page.redraw()

    def _grown(self, value: Grown) -> None:
        value.output.seen()
        for screen in self.screen_stack:
            taker = getattr(screen, "output_grown", None)
            if taker is not None:
                taker(value)

    # Actions in threads.

    def act(
        self,
        words: str,
        job: Callable[[Any], Any],
        tasks: Sequence[str] = (),
        *,
        then: Callable[[Any], str | None] | None = None,
    ) -> None:
        """Have a job of the use cases of tasks done; the tasks are shown as `words` until it has ended.

        `then` takes the result and returns what to say of it. An error is shown, and the tasks are as they were.
        """
        work = self.works.tasks(words, job, tuple(tasks))
        if then is not None:
            self._then[work.id] = lambda ended: None if ended.error else self._say(then(ended.result))
        self.learn(Begun(tuple(tasks), words))

    def read(
        self,
        words: str,
        job: Callable[[Callable[[str], None]], Any],
        then: Callable[[Any], Any],
        *,
        failed: Callable[[str], Any] | None = None,
    ) -> None:
        """Have something read in a thread, and pass it on; an error is shown, and passed on to `failed`."""
        work = self.works.start(words, job)

        def ended(end: Ended) -> None:
            if not end.error:
                then(end.result)
            elif failed is not None:
                failed(end.error)

        self._then[work.id] = ended

    def _ended(self, ended: Ended) -> None:
        then = self._then.pop(ended.work.id, None)
        if ended.work.tasks:
            self.learn(Settled(ended.work.tasks))
        if ended.error:
            self._say(f"{ended.work.words}: {ended.error}", hint=ended.hint, error=True)
        if then is not None:
            then(ended)

    def _say(self, text: str | None, *, hint: str = "", error: bool = False) -> None:
        if text and self.page is not None:
            self.page.note(text, hint=hint, error=error)

    # Screens and commands.

    def open_page(self, name: str, **values: Any) -> None:
        """Open a screen of the table; its module is imported in a thread."""
        page = next(page for page in PAGES if page.name == name)
        self._opening += 1

        def show(ended: Ended) -> None:
            if ended.error:
                self._opening -= 1
                self._held.clear()
                return
            screen = ended.result(**values)
            self.push_screen(screen)
            screen.call_after_refresh(self._press_again)

        self._then[self.works.start(f"opening {name}", lambda _: opened(page.screen)).id] = show

    def on_key(self, event: Key) -> None:
        """Give keys that were typed ahead to whom they are meant for: a screen that comes, or a line to write in.

        They come here when nobody before has taken them, and would be actions of the screen that was there then.
        """
        if self._opening:
            self._held.append(event)
            event.prevent_default()
        elif self.page is not None and self.page.take(event):
            event.prevent_default()

    def _press_again(self) -> None:
        if self.page is not None:
            self.page.focus_body()
        self._opening -= 1
        held, self._held = self._held, []
        for event in held:
            self.post_message(Key(event.key, event.character))

    def run_verb(self, *words: str) -> None:
        """Show what a command of terok says."""
        self.open_page("output", words=words)

    def run_line(self, line: str) -> None:
        """Show what a command says that a person has written."""
        try:
            words = shlex.split(line)
        except ValueError as error:
            self._say(f"{safe_text(line, limit=60)}: {error}", error=True)
            return
        if words[:1] == ["terok"]:
            words = words[1:]
        if words:
            self.run_verb(*words)

    def output(self, words: Sequence[str]) -> Output:
        """Start a command whose output a screen shows."""
        found = Output(words, self.post)
        found.start()
        return found

    def open_terminal(self, *words: str) -> None:
        """Run a command of terok that needs the terminal: in a window of tmux, or in this one, and come back."""
        if "TMUX" in os.environ:
            self.read("opening a window", lambda _: tmux_window(words), self._say)
        else:
            self.exit([*words])

    def create_task(
        self, project: str, prompt: str, *, then: Callable[[bool], Any] = lambda started: None, **options: Any
    ) -> None:
        """Start a task: with a prompt it works by itself, without one its agent waits in a terminal, or as `mode` says.

        `options` are those of `Tasks.create`; `then` is told whether it was recorded and started.
        """

        def job(tasks: Any) -> str:
            task, ours = tasks.create(project, prompt if prompt.strip() else None, **options)
            if ours:
                tasks.carry_out_start(task)
            return f"{task.project}/{task.name} is started" if ours else f"{task.name} waits: {task.reason}"

        def pass_on(ended: Ended) -> None:
            then(not ended.error)
            self._say(ended.result)

        work = self.works.tasks(f"starting a task in {safe_text(project, limit=60)}", job)
        self._then[work.id] = pass_on

    def undo(self, number: int | None = None, *, then: Callable[[], Any] = lambda: None) -> None:
        """Take back an operation, by default the last that can be; `then` is called when that is done."""

        def undone(operation: Any) -> str:
            self.feed.look_again()
            then()
            return f"taken back: {operation.summary}"

        self.act("undoing", lambda tasks: tasks.operations.undo(number), then=undone)

    def watch_ages(self, since: Sequence[float]) -> None:
        """Draw again when an age that is shown changes; nothing is waited for while none is shown."""
        now = time.time()
        edge = next_edge(since, now)
        if self._ages is not None:
            self._ages.stop()
            self._ages = None
        if edge is not None:
            self._ages = self.set_timer(edge - now + 0.05, self._age)

    def _age(self) -> None:
        self._ages = None
        if self.page is not None:
            self.page.redraw()

    def tell_window(self) -> None:
        """Have the terminal's title say how many tasks need a person."""
        title = window_title(self.world)
        if title != self.title:
            self.title = title
            if self._driver is not None and not self.is_headless:
                self._driver.write(f"\x1b]2;{title}\x07")

    def action_leave(self) -> None:
        """Leave, as `q` does."""
        self.leave()

    def leave(self) -> None:
        """Leave; while something is under way only when it is asked for twice."""
        open_now = self.works.open
        now = time.monotonic()
        if open_now and now - self._asked_to_leave > QUIT_AGAIN:
            self._asked_to_leave = now
            words = ", ".join(work.words for work in open_now.values())
            self._say(f"under way: {words}", hint="once more leaves; it is gone on with", error=True)
        else:
            self.exit([])
