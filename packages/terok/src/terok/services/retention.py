"""Keeping things for a time only: deleted tasks, records of archived ones, and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from terok_util import TerokError

from terok.model.counted import SETTLES
from terok.services.operations import DAY
from terok.store.counting import count_on

if TYPE_CHECKING:
    from terok.model.counted import Moment
    from terok.services.tasks import Tasks

KEPT_EVENTS: Final = 100_000
"""Events that are kept; whoever follows has read the others long ago."""


def tidy(tasks: Tasks, now: Moment) -> float | None:
    """Finish what was cut off, let expire what is due, and return when the next thing is due by the clock.

    What fails is said, and stays for the next time. Until it is known how long the machine was off, nothing expires.
    """
    for error in tasks.operations.finish():
        tasks.say(error.message)
    with tasks.store.write(now.clock) as writer:
        writer.forget_events(KEPT_EVENTS)
        count = count_on(writer, now)
    if not count.settled:
        return now.clock + SETTLES
    behind = min(now.clock, count.counted)
    due = [(tasks.operations.expire(count.counted), count.counted), (_expire_archived(tasks, behind), behind)]
    return min((now.clock + when - since for when, since in due if when is not None), default=None)


def _expire_archived(tasks: Tasks, now: float) -> float | None:
    """Delete archived tasks whose time is over, which can be taken back for a while; return when the next one's is."""
    from terok.config import load_settings

    seconds, due = load_settings().tasks.archive_days * DAY, None
    for task in tasks.store.tasks(now=now):
        if task.archived is None:
            continue
        expires = task.archived + seconds
        if expires > now:
            due = expires if due is None else min(due, expires)
        elif tasks.store.task(task.id).archived == task.archived:  # nobody has restored it meanwhile
            try:
                tasks.delete(task)
            except TerokError as error:
                tasks.say(f"the archived task {task.id} cannot be deleted: {error.message}")
    return due
