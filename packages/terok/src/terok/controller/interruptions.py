"""Which runs were cut off by something else than themselves or a person: those are taken up again. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable

    from terok.model.task import Event, Task

MOST: Final = 3
"""Times that a task is taken up again within `WITHIN` seconds; then it has ended."""
WITHIN: Final = 86400.0
RESUMING: Final = "resuming"
"""The kind of event that is written before a task is taken up again."""
_KILLED: Final = frozenset((None, 128 + 1, 128 + 9, 128 + 15, 255))
"""Exit codes of what a signal, or the end of a session, has ended."""


def was_cut_off(task: Task, exit_code: int | None) -> bool:
    """Whether a run that ended while nobody watched was cut off, as by a logout, and did not end by itself.

    A person who works in a terminal ends the task by other means; a headless agent has an exit code of its own.
    """
    return task.desired == "running" and task.ended is None and (task.mode != "headless" or exit_code in _KILLED)


def may_resume(events: Iterable[Event], now: float) -> bool:
    """Whether a task may be taken up again, by its events."""
    return sum(event.kind == RESUMING and event.at > now - WITHIN for event in events) < MOST
