"""The plain form: labeled lines and numbered menus, on the same views as the screen.

Nothing is drawn twice. What changes is said in a new line, with the bell when a task begins to need a person.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final

from terok_util import TerokError, safe_text

from terok.model.shown import label
from terok.model.task import Task
from terok.model.words import ATTENTION
from terok.services.inbox import Inbox
from terok.tui import plain_words
from terok.tui.background.feed import Feed, Source
from terok.tui.views.inbox import HEADS, InboxView, Place, inbox
from terok.tui.views.plain import item_lines, task_lines
from terok.tui.views.world import Changed, Heard, Loaded, News, World, after

_HELP: Final = (
    "number     open a task",
    "l          list the tasks again",
    "d          list also what is done",
    "/ WORDS    list the tasks that meet a filter; / alone all",
    "n          say what needs you",
    ": WORDS    run a command of terok, such as: task list",
    "q          leave",
)
_TASK_HELP: Final = (
    ("r", "reply to the agent"),
    ("o", "show its output"),
    ("v", "review what it brings"),
    ("c", "compare it with the other attempts of its race"),
    ("x", "stop it"),
    ("s", "start it again"),
    ("b", "go back"),
)


class Plain:
    """The conversation. `say` prints a line, `read` returns one that was typed, None at the end of the input."""

    def __init__(
        self,
        say: Callable[[str], None],
        read: Callable[[str], str | None],
        command: Callable[[list[str]], Any],
        *,
        source: Source | None = None,
    ) -> None:
        self._say, self._read, self._command = say, read, command
        self._world, self._place = World(), Place()
        self._loaded = threading.Event()
        self._lock = threading.Lock()
        self._listed: list[str] = []
        self._feed = Feed(self._take, source)

    def run(self, why: str) -> int:
        """Talk until the person leaves."""
        self._say(f"terok in plain form, because of {why}. h says what can be typed.")
        self._feed.start()
        self._loaded.wait(10)
        self._list()
        while (line := self._read("terok> ")) is not None:
            word, _, rest = line.strip().partition(" ")
            if word in ("q", "quit"):
                break
            self._do(word, rest.strip())
        return 0

    def _do(self, word: str, rest: str) -> None:
        if word.isdigit():
            self._open(int(word))
        elif word == "d":
            self._place = Place(filter=self._place.filter, folded=frozenset())
            self._list()
        elif word == "/":
            self._place = Place(filter=rest)
            self._list()
        elif word == "n":
            self._needing()
        elif word == ":" or word.startswith(":"):
            self._command([*(word[1:].split()), *rest.split()])
        elif word in ("", "l"):
            self._list()
        elif not plain_words.do(word, rest, self._say, self._read, self._command):
            for text in (*_HELP, *plain_words.HELP):
                self._say(text)

    def _view(self) -> InboxView:
        return inbox(self._world, self._place, _now())

    def _list(self) -> None:
        view = self._view()
        self._listed = [item.key for item in view.items if item.task is not None]
        lines = item_lines(view, self._world.short, _now()) or ["no tasks"]
        for line in [view.problem] if view.problem else lines:
            self._say(line)
        if self._world.silence:
            self._say(f"not live: {self._world.silence}")

    def _needing(self) -> None:
        found = [task for task in self._world.tasks.values() if task.word in ATTENTION]
        self._say(f"{len(found)} tasks need you")
        for task in found:
            self._say(f"{task.project}/{task.name}: {label(task.word)}: {task.reason}")

    def _open(self, number: int) -> None:
        if not 1 <= number <= len(self._listed):
            self._say(f"there is no number {number}; l lists the tasks")
            return
        task_id = self._listed[number - 1]
        try:
            with Inbox(create=False) as reading:
                detail = reading.detail(task_id)
        except TerokError as error:
            self._say(error.message)
            return
        for line in task_lines(detail, self._world.short.get(task_id, task_id), _now()):
            self._say(line)
        self._menu(task_id)

    def _menu(self, task_id: str) -> None:
        while True:
            for key, words in _TASK_HELP:
                self._say(f"{key} {words}")
            word = (self._read("task> ") or "b").strip()
            if word == "r":
                text = self._read("your words> ")
                if text and text.strip():
                    self._act(task_id, text)
            elif word in ("v", "c"):
                self._judge(task_id, race=word == "c")
            elif word in (verbs := _verbs(task_id)):
                self._command(verbs[word])
            else:
                return

    def _judge(self, task_id: str, *, race: bool) -> None:
        from terok.tui.plain_review import PlainRace, PlainReview  # a list starts without the gate

        talk = (PlainRace if race else PlainReview)(self._say, self._read, self._command, task_id)
        try:
            talk.run()
        except TerokError as error:
            self._say(f"error: {error.message}")

    def _act(self, task_id: str, text: str) -> None:
        from terok.services import Tasks

        try:
            with Tasks() as service:
                task = service.store.task(task_id)
                if task.mode != "headless" and task.process == "up":
                    service.send(task, text)
                    self._say("it has your words")
                else:
                    self._say(f"follow-up {service.follow_up(task, text)} waits until its turn has ended")
        except TerokError as error:
            self._say(f"error: {error.message}")
            if error.hint:
                self._say(f"hint: {error.hint}")

    def _take(self, news: News) -> None:
        """Take news in whichever thread they come, and say those that a person should hear."""
        with self._lock:
            before, self._world = self._world, after(news, self._world)
        if isinstance(news, Loaded):
            self._loaded.set()
        elif isinstance(news, Changed):
            for task in news.tasks:
                if said := _change(before.tasks.get(task.id), task):
                    self._say(said)
        elif isinstance(news, Heard) and news.silence != before.silence and news.silence:
            self._loaded.set()
            self._say(f"not live: {news.silence}")


def _change(before: Task | None, task: Task) -> str:
    if before is not None and before.word == task.word:
        return ""
    bell = "\a" if task.word in ATTENTION else ""
    said = f"{HEADS[task.group].lower()}: {task.project}/{task.name}, {label(task.word)}: {task.reason}"
    return bell + safe_text(said, limit=400)


def _verbs(task_id: str) -> Mapping[str, list[str]]:
    return {
        "o": ["task", "logs", task_id, "--tail", "40"],
        "x": ["task", "stop", task_id],
        "s": ["task", "restart", task_id],
    }


def run(why: str) -> int:
    """Talk on this terminal; `why` is the switch that turned this form on."""
    from terok_util.process import run as run_program

    from terok.tui.background.opening import command_line

    def say(line: str) -> None:
        bell = line.startswith("\a")
        sys.stdout.write(("\a" if bell else "") + safe_text(line.removeprefix("\a")) + "\n")
        sys.stdout.flush()

    def read(prompt: str) -> str | None:
        try:
            return input(prompt)
        except EOFError:
            return None

    def command(words: list[str]) -> None:
        done = run_program(command_line(words), timeout=600, check=False)
        for text in (done.stdout, done.stderr):
            for line in text.decode("utf-8", "replace").splitlines():
                say(line)

    return Plain(say, read, command).run(why)


def _now() -> float:
    return time.time()
