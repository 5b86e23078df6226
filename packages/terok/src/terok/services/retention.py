"""Keeping things for a time only: deleted tasks, records of archived ones, and events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from terok_util import TerokError

from terok.services.operations import DAY

if TYPE_CHECKING:
    from terok.services.tasks import Tasks

KEPT_EVENTS: Final = 100_000
"""Events that are kept; whoever follows has read the others long ago."""


def tidy(tasks: Tasks, now: float) -> float | None:
    """Finish what was cut off, let expire what is due at `now`, and return when the next thing is due.

    What fails is said, and stays for the next time.
    """
    for error in tasks.operations.finish():
        tasks.say(error.message)
    with tasks.store.write(now) as writer:
        writer.forget_events(KEPT_EVENTS)
    due = [tasks.operations.expire(now), _expire_archived(tasks, now)]
    return min((when for when in due if when is not None), default=None)


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
