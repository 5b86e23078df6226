"""`task wait`: sleeps until the database changes, or until time alone changes a state."""

from __future__ import annotations

import select
import sys
import time
from typing import TYPE_CHECKING

from terok_util import UsageError, did_you_mean, safe_text, show

from terok.cli.task_rows import document, label
from terok.controller.inotify import TOUCHED, Watcher
from terok.model.words import STATES
from terok.services.tasks_base import TaskBase

if TYPE_CHECKING:
    from collections.abc import Sequence

    from terok.model.task import Task

_Asked = tuple[str, str, float]
"""The task, the word and since when."""
_TIMED_OUT = 124
_MOST = 500
_LOOK = 30.0
"""Seconds between two looks at least: a controller that was killed changes what its facts are worth, and no file."""


def wait(tasks: list[str], until: str, timeout: int | None, as_json: bool) -> int:
    """Wait until each of the tasks is in a state or group, and print where they are; 124 if the time runs out.

    A run that has ended is over, also while its commits wait for review. Whoever waits is told when a task waits for
    a person meanwhile, as at its budget, because it would not get on by itself.
    """
    if until not in STATES:
        hint = did_you_mean(until, STATES, f"use one of {', '.join(STATES)}")
        raise UsageError(f"there is no state {until[:40]!r}", hint=hint)
    deadline = time.monotonic() + timeout if timeout is not None else None
    with TaskBase(create=False) as service:
        now, _ = service.choose(tasks)
        late = not all(_is_in(task, until) for task in now)
        if late:
            late = _stay(service, now, until, deadline)
        now = [service.store.task(task.id) for task in now]
        short = service.shorts()
    lines = [f"{short[task.id]}  {label(task.word)}: {task.reason}" for task in now] or "no task meets the filter"
    show([document(task, short[task.id]) for task in now], as_json, lines)
    return _TIMED_OUT if late else 0


def _stay(service: TaskBase, tasks: Sequence[Task], until: str, deadline: float | None) -> bool:
    """Sleep until all tasks are in a state; returns whether the time ran out before."""
    changes, told = Watcher(), set[_Asked]()
    try:
        changes.watch(service.store.path, TOUCHED, lambda _mask, _name: None)
        service.wake_controller()  # which records the end of what nobody follows
        while True:
            now = [service.store.task(task.id) for task in tasks]
            if all(_is_in(task, until) for task in now):
                return False
            told |= _tell(service, [task for task in now if not _is_in(task, until)], told)
            rest = deadline - time.monotonic() if deadline is not None else _LOOK
            if rest <= 0:
                return True
            doubts = [task.doubt_at - time.time() for task in now if task.doubt_at is not None]
            select.select([changes], [], [], max(0.0, min(rest, _LOOK, *doubts)))
            changes.tell()
    finally:
        changes.close()


def _tell(service: TaskBase, tasks: Sequence[Task], told: set[_Asked]) -> set[_Asked]:
    """Say which of the tasks wait for a person, each time that one comes to; returns what was said."""
    mine = {(task.id, task.word, task.since): task for task in tasks if task.group == "needs"}
    news = {asked: task for asked, task in mine.items() if asked not in told}
    for task in news.values():
        line = f"note: {service.short(task)} waits for you: {label(task.word)}: {task.reason}"
        print(safe_text(line, limit=_MOST), file=sys.stderr, flush=True)
    return {*news}


def _is_in(task: Task, until: str) -> bool:
    # A run without a person brings its work before its end is recorded: what is waited for is both.
    if until in ("review", "over") and task.mode == "headless" and task.started is not None and task.ended is None:
        return False
    over = until == "over" and task.ended is not None and task.process != "up"
    return over or until in (task.word, task.group) or until in task.also.split()
