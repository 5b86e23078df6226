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
    from terok.services.tasks_base import TaskBase


def wait_for(tasks: TaskBase, race: Race) -> Iterator[str]:
    """Yield a line for each attempt that has ended, together with its check, until all have; ControllerError."""
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


def _ended(tasks: TaskBase, attempt: Attempt, check: str) -> str | None:
    """Return how an attempt has ended, None if something of it is still to come."""
    try:
        task = tasks.store.task(attempt.task)
    except UnknownTask:
        return f"attempt {attempt.number} is deleted"
    if task.trashed is not None or task.archived is not None:
        return f"attempt {attempt.number} is {'deleted' if task.trashed is not None else 'archived'}"
    if check or task.ended is None or task.word == "queued":
        return None
    return f"attempt {attempt.number} ({task.name}) {task.word}: {task.reason}"
