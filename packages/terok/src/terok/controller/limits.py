"""Waiting for a provider's limit to be reset, where a person has allowed it. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from terok.model.admission import Waiting

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from terok.model.facts import Calls
    from terok.model.task import Event, Task

MOST: Final = 5
"""Times that one task waits before a person has to start it again."""
WAITED: Final = "limit_wait"
"""The kind of event that is written when a task begins to wait."""
MARGIN: Final = 2.0
"""Seconds after the reset: the provider's clock is not ours."""


def wait_for_reset(task: Task, calls: Calls | None, allowed: Mapping[str, float], now: float) -> Waiting | None:
    """Return the queue's row of a run that has failed by a limit and may go on after it, None for any other task.

    `allowed` is for how many seconds from now a task of each project may wait.
    """
    if task.word != "limit" or task.ended is None or task.mode != "headless" or task.desired != "running":
        return None
    if calls is None or calls.reset_at is None or not now < calls.reset_at <= now + allowed.get(task.project, 0.0):
        return None
    return Waiting(task.id, task.project, now, calls.reset_at + MARGIN, reason="time")


def may_wait(events: Iterable[Event]) -> bool:
    """Whether a task may wait once more, by its events."""
    return sum(event.kind == WAITED for event in events) < MOST
