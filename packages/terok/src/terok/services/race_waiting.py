"""Waiting for the end of a race."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok.errors import UnknownTask
from terok.model.task import Event
from terok.services.events import events
from terok.store.races import attempts_of, checks_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from terok.model.race import Attempt, Race
    from terok.model.task import Task
    from terok.services.task_ends import TaskEnds


def wait_for(tasks: TaskEnds, race: Race) -> Iterator[str]:
    """Yield a line for each attempt that has ended, together with its check, until all have; ControllerError.

    Ends are recorded here, as whoever follows a run does it: at once, and without a process for each.
    """
    left = {attempt.task: attempt for attempt in attempts_of(tasks.store, race.id)}
    for happened in events(follow=True):
        if isinstance(happened, Event) and happened.task not in left:
            continue
        checks = checks_of(tasks.store, race)
        for task_id, attempt in list(left.items()):
            if (said := _ended(tasks, attempt, checks.get(attempt.number, ""))) is not None:
                del left[task_id]
                yield said
        if not left:
            return


def _ended(tasks: TaskEnds, attempt: Attempt, check: str) -> str | None:
    """Return how an attempt has ended, None if something of it is still to come."""
    try:
        task = tasks.store.task(attempt.task)
    except UnknownTask:
        return f"attempt {attempt.number} is deleted"
    if task.trashed is not None or task.archived is not None:
        return f"attempt {attempt.number} is {'deleted' if task.trashed is not None else 'archived'}"
    if task.ended is None and _record(tasks, task):
        task = tasks.store.task(task.id)
    if check or task.ended is None or task.word == "queued":
        return None
    return f"attempt {attempt.number} ({task.name}) {task.word}: {task.reason}"


def _record(tasks: TaskEnds, task: Task) -> bool:
    """Record the end of a run that the feed of its container has told of; returns whether nobody had yet."""
    process = tasks.store.facts(task.id).process
    if task.started is None or process is None or process.word != "exited" or process.exit_code is None:
        return False
    return process.at > task.started and tasks.record_exit(task, process.exit_code, at=process.since)
