"""Parts that all use cases of tasks share: the open database, the engines, and how a person names tasks."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from terok_util import TerokError, UsageError, safe_text

from terok.engines import engine_named
from terok.errors import AmbiguousTask, UnknownTask
from terok.model.ids import short_ids
from terok.paths import tasks_dir, trash_dir
from terok.store import Store

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from terok.config import Project
    from terok.engines import Engine
    from terok.engines.values import Say
    from terok.integrations.executor import RunResult
    from terok.model.facts import Process, Silence
    from terok.model.task import Task
    from terok.services.hooks import Point

_TELL = 2.0
"""Seconds between two steps of a start that are recorded."""


class TaskBase:
    """Tasks of this user in one open database; a context manager that closes it.

    `say` gets lines of progress. `create` says whether a missing database is made, as a verb that only reads does not.
    """

    def __init__(self, store: Store | None = None, *, say: Say | None = None, create: bool = True) -> None:
        self.store = store if store is not None else Store(create=create)
        self.say = say or _silent
        self._engines: dict[str, Engine] = {}
        self._results: dict[str, RunResult] = {}
        self.starting: str | None = None
        """The task that is being started here, of which others are told each step."""
        self._told = 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.store.close()

    @property
    def keep_days(self) -> float:
        """Days for which what was deleted is kept."""
        from terok.config import load_settings

        return load_settings().tasks.trash_days

    def engine(self, task: Task) -> Engine:
        """Return the engine of a task."""
        if task.engine not in self._engines:
            self._engines[task.engine] = engine_named(task.engine, self._step)
        return self._engines[task.engine]

    def is_over(self, task: Task) -> bool:
        """Whether a task neither runs nor waits for a slot."""
        waits = any(row.task == task.id for row in self.store.queue())
        return task.ended is not None and task.process != "up" and not waits

    def probe(self, task: Task) -> Process | Silence:
        """Ask a task's engine what its container is doing."""
        return self.engine(task).probe({task.id: task.container})[task.id]

    def _step(self, line: str) -> None:
        """Pass a line of progress on and, now and then, record it as what a start is at."""
        self.say(line)
        now = time.time()
        if self.starting is not None and now - self._told > _TELL:
            from terok.model.facts import Launch  # a verb that only reads starts nothing

            self._told = now
            with suppress(TerokError), self.store.write() as writer:  # a database that is busy stops no start
                writer.observe(self.starting, launch=Launch(now, "terok", safe_text(line, limit=200)))

    def project(self, task: Task) -> Project:
        """Return the project of a task as its files say now, with the preset and options that it was asked for with."""
        from terok.config import load_project

        request = self.store.request(task.id)
        return load_project(task.project, preset=request.get("preset"), overrides=request.get("overrides"))

    def run_hook(self, task: Task, point: Point, project: Project) -> None:
        """Run a project's command for a transition, once; ProjectError if it is `pre_start` and fails."""
        if getattr(project.hooks, point) is None:
            return
        from terok.services.hooks import run_hook

        result = run_hook(self.store, task, project, point, self.directory(task))
        if result is not None and result.failed:
            self.say(f"note: the hook {point} failed: {result.said}; see {result.output or 'the events'}")

    def wake_controller(self) -> None:
        """Tell the controller, which is started if need be, that there is something to look after."""
        from terok.wire import poke

        poke()

    def directory(self, task: Task) -> Path:
        """Return the directory of a task's workspace and records."""
        return tasks_dir() / task.project / task.id

    def trash(self, task: Task) -> Path:
        """Return where a task's directory is once it is deleted."""
        return trash_dir() / task.id

    def find(self, words: str | Sequence[str], *, trashed: bool = False) -> Task:
        """Return the one task that a person means by `TASK`, or by the two words `PROJECT TASK`."""
        said = [words] if isinstance(words, str) else list(words)
        if len(said) == 2 and ":" not in "".join(said):
            return self.store.find("/".join(said), trashed=trashed)
        if len(said) != 1:
            raise UsageError("this takes one task", hint="write TASK, PROJECT/TASK or PROJECT TASK")
        return self.store.find(said[0], trashed=trashed)

    def choose(self, words: Sequence[str], *, trashed: bool = False) -> tuple[list[Task], bool]:
        """Return the tasks that a person means by several words, and whether a filter has chosen them.

        Words with a colon, or that begin with `!`, are terms of a filter; all others are tasks of their own.
        """
        terms = [word for word in words if ":" in word or word.startswith("!")]
        if terms and len(terms) < len(words):
            raise UsageError(
                "tasks and terms of a filter do not go together", hint="name the tasks, or write terms such as p:web"
            )
        if terms:
            from terok.model.filter import matches, parse_filter  # a list without a filter need not compile it

            query, now = parse_filter(" ".join(terms)), time.time()
            return [task for task in self.store.tasks(trashed=trashed) if matches(query, task, now)], True
        if len(words) == 2 and not self._is_task(words[0], trashed=trashed):
            return [self.find(words, trashed=trashed)], False
        found = {task.id: task for task in (self.find(word, trashed=trashed) for word in words)}
        return list(found.values()), False

    def _is_task(self, word: str, *, trashed: bool) -> bool:
        try:
            self.store.find(word, trashed=trashed)
        except UnknownTask:
            return False
        except AmbiguousTask:
            pass
        return True

    def short(self, task: Task) -> str:
        """Return the shortest beginning of a task's id that means it alone."""
        return self.shorts()[task.id]

    def shorts(self) -> dict[str, str]:
        """Return the shortest beginning of every task's id."""
        return short_ids(one for (one,) in self.store.rows("SELECT id FROM tasks"))


def _silent(line: str) -> None:
    """Say nothing."""
