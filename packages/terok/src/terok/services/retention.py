"""Keep for a time only: deleted tasks, and events. An archived task stays until it is deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

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
    return tasks.operations.expire(now)
