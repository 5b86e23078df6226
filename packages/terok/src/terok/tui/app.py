"""The program: holds the world, takes news from the threads, and opens screens. It does no input or output itself."""

from __future__ import annotations

import os
import shlex
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from typing import Any, ClassVar, Final

from terok_util import safe_text
from textual.app import App
from textual.binding import Binding, BindingType
from textual.events import Event, Key
from textual.message import Message
from textual.message_pump import MessagePump
from textual.screen import Screen
from textual.timer import Timer

from terok.tui.background.feed import Feed, Source
from terok.tui.background.keeper import Keeper
from terok.tui.background.latest import Latest
from terok.tui.background.opening import opened, tmux_window
from terok.tui.background.output import Grown, Output
from terok.tui.background.posts import Handed
from terok.tui.background.versions import Versions, tried
from terok.tui.background.works import Ended, Progress, Works
from terok.tui.keymap import AGAIN
from terok.tui.pages import PAGES
from terok.tui.screens.inbox import InboxScreen
from terok.tui.screens.page import Page
from terok.tui.theme import DEFAULT, looks
from terok.tui.views.header import window_title
from terok.tui.views.inbox import Place, place_to_json
from terok.tui.views.rows import next_edge
from terok.tui.views.world import Begun, Heard, News, Settled, World, after

QUIT_AGAIN: Final = 5.0
"""Seconds in which a second key leaves although something is under way."""
LOST: Final = 0.5
"""Seconds after which a key counts as done although nobody says so: a widget on its way has gone."""


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
        self.world, self.keys = World(), keys
        self._place = place
        self._keeper = Keeper()
        self.looks = looks(theme)
        self.works = Works(self.post)
        self.feed = Feed(self.post, source)
        self.latest = Latest(self.post)
        self._versions = Versions(self.post)
        self._then: dict[int, Callable[[Ended], None]] = {}
        self._reads: set[int] = set()
        self._ages: Timer | None = None
        self._asked_to_leave = 0.0
        self._opening = 0
        self._keys: deque[Key] = deque()
        self._at_key = False
        self._key_at = 0.0
        self.set_keymap({name: key for name, key in keys.items() if name != "answer"})

    @property
    def place(self) -> Place:
        """Where the person is in the inbox."""
        return self._place

    @place.setter
    def place(self, place: Place) -> None:
        if place_to_json(place) != place_to_json(self._place):
            self._keeper.keep(place)
        self._place = place

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
        self._keeper.start()
        self._versions.start()

    def on_app_focus(self) -> None:
        """Look at what a person may have done meanwhile: installed another version."""
        self._versions.look()

    @property
    def page(self) -> Page | None:
        """The screen in front."""
        front = self.screen_stack[-1:]  # empty while the program ends
        return front[0] if front and isinstance(front[0], Page) else None

    def on_posted(self, message: Posted) -> None:
        """Take a value from a thread."""
        value = message.value
        if isinstance(value, Handed):
            value.take(value.value)
        elif isinstance(value, Grown):
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
        if isinstance(news, Heard):  # also when the controller was replaced, as it is by another version
            self._versions.look()
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
        self._reads.add(work.id)

        def ended(end: Ended) -> None:
            if not end.error:
                then(end.result)
            elif failed is not None:
                failed(end.error)

        self._then[work.id] = ended

    def hand(self, take: Callable[[Any], Any]) -> Callable[[Any], None]:
        """Return a function that passes a value on in the loop, from any thread."""
        return lambda value: self.post(Handed(take, value))

    def _ended(self, ended: Ended) -> None:
        then = self._then.pop(ended.work.id, None)
        self._reads.discard(ended.work.id)
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
        self._versions.look()

        def show(ended: Ended) -> None:
            if ended.error:
                self._opening -= 1
                self._keys.clear()  # they were meant for the screen that does not come
                self._at_key = False
                return
            screen = ended.result(**values)
            self.push_screen(screen)
            screen.call_after_refresh(self._press_again)

        self._then[self.works.start(f"opening {name}", lambda _: opened(page.screen)).id] = show

    async def on_event(self, event: Event) -> None:
        """Give keys out one at a time: the next one when everything that the one before does is done.

        A key goes from the widget that has the keys up to the program, and what it opens or closes changes whose the
        next one is. Keys that come faster than that, from a quick hand or a paste, must not overtake each other.
        """
        if not isinstance(event, Key) or event.is_forwarded:
            await super().on_event(event)
            return
        self._keys.append(event)
        lost = time.monotonic() - self._key_at > LOST and not self._opening
        if not self._at_key or lost:
            await self._next_key()

    async def _next_key(self) -> None:
        """Give the next key out, unless a screen is being opened that it may be meant for."""
        self._at_key = bool(self._keys) and not self._opening
        if not self._at_key:
            return
        self._key_at = time.monotonic()
        event = self._keys.popleft()
        if not (front := self.screen_stack[-1:]):  # the program ends
            return
        way = (front[0].focused or front[0]).ancestors_with_self
        await super().on_event(event)
        self._follow_key(way)

    def _follow_key(self, way: Sequence[MessagePump]) -> None:
        """Go the way of a key behind it, from queue to queue; at its end the key has done what it does."""
        for number, node in enumerate(way):
            if node is not self and node.call_later(self._follow_key, way[number + 1 :]):
                return
        self.call_later(self._next_key)

    def _press_again(self) -> None:
        """Go on with the keys, now that the screen is there that they were kept for."""
        self._opening -= 1
        if self.page is not None:
            self.page.focus_body()
        self.call_later(self._next_key)

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
        """Run a command of terok that needs the terminal: in a window of tmux, or in this one, and come back.

        A browser has no terminal; there a person is told what to type in one.
        """
        if self.is_web:
            self._say(f"type in a terminal: terok {shlex.join(words)}")
        elif "TMUX" in os.environ:
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

    def begin_again(self) -> None:
        """Become the version that is installed, if it starts at all."""
        self.read("trying what is installed", lambda _: tried(), lambda _: self.exit(AGAIN))

    def action_leave(self) -> None:
        """Leave, as `q` does."""
        self.leave()

    def leave(self) -> None:
        """Leave; while something is under way, other than reading, only when it is asked for twice."""
        open_now = {number: work for number, work in self.works.open.items() if number not in self._reads}
        now = time.monotonic()
        if open_now and now - self._asked_to_leave > QUIT_AGAIN:
            self._asked_to_leave = now
            words = ", ".join(work.words for work in open_now.values())
            self._say(f"under way: {words}", hint="once more leaves; it is gone on with", error=True)
        else:
            self.exit([])
