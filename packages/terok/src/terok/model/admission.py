"""Which queued tasks may start now, and why the others wait."""

from __future__ import annotations

from dataclasses import field
from math import inf
from typing import Final

from terok_util import LeanTuple, lean_dataclass

from terok.model.facts import QueueReason

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from terok.model.task import Task

DISK_PAUSE: Final = 60.0
"""Seconds until the disk is looked at again: nothing else tells that space has become free."""
FAILED: Final = frozenset(("failed", "stopped", "missing"))
"""Words of a dependency that mean that it will not be done by itself."""


class Waiting(LeanTuple):
    """A row of the queue. `after` names the tasks that must be done first; `not_before` is a time or None."""

    task: str
    project: str
    since: float
    not_before: float | None = None
    after: tuple[str, ...] = ()
    priority: int = 0
    reason: str = ""


@lean_dataclass(frozen=True, slots=True)
class Limits:
    """How many tasks may work at once, on the whole and by project, and how many bytes of disk must be free."""

    total: int
    per_project: int
    projects: Mapping[str, int] = field(default_factory=dict)
    """Projects with a number of their own."""
    disk_floor: int = 0
    stopped: bool = False
    """Nothing may start, as after a panic."""

    def of(self, project: str) -> int:
        """Return the number for one project."""
        return self.projects.get(project, self.per_project)


class Decision(LeanTuple):
    """The fate of a queued task: it may start (`reason` is None), or waits for something, until `retry_at`."""

    task: str
    reason: QueueReason | None
    text: str = ""
    retry_at: float = inf

    @property
    def admitted(self) -> bool:
        """Whether the task may start."""
        return self.reason is None


def outcomes(tasks: Iterable[Task]) -> dict[str, str]:
    """Return what each task means for those that wait for it.

    A run that has ended well is done, also while a person has its commits to review.
    """
    return {
        task.id: "done" if task.ended is not None and task.exit_code == 0 and not task.stopped_by else task.word
        for task in tasks
    }


def admit(
    queue: Iterable[Waiting],
    working: Collection[str],
    limits: Limits,
    disk_free: int | None,
    now: float,
    words: Mapping[str, str],
) -> list[Decision]:
    """Decide about every queued task, those first that have priority or have waited longest.

    Args:
        queue: The rows of the queue.
        working: The project of every task that holds a slot: one that works, not one that waits for a person.
        limits: What a person allows.
        disk_free: Bytes, None if it could not be found out: then nothing starts.
        now: Seconds since the epoch.
        words: What `outcomes` says of each task that another one waits for; one that is not here is missing.
    """
    held = [*working]
    decisions = []
    for row in sorted(queue, key=lambda row: (-row.priority, row.since, row.task)):
        decision = _decide(row, held, limits, disk_free, now, words)
        decisions.append(decision)
        if decision.admitted:
            held.append(row.project)
    return decisions


def _decide(
    row: Waiting,
    held: Collection[str],
    limits: Limits,
    disk_free: int | None,
    now: float,
    words: Mapping[str, str],
) -> Decision:
    if limits.stopped:
        return Decision(row.task, "panic", "nothing starts until `terok panic --clear`")
    for other in row.after:
        word = words.get(other, "missing")
        if word != "done":
            text = f"{other} is {word}, so this never starts by itself" if word in FAILED else f"waits for {other}"
            return Decision(row.task, "dependency", text)
    if row.not_before is not None and now < row.not_before:
        return Decision(row.task, "time", "waits for its time", row.not_before)
    if disk_free is None or disk_free < limits.disk_floor:
        text = "too little disk is free" if disk_free is not None else "disk is not readable"
        return Decision(row.task, "disk", text, now + DISK_PAUSE)
    mine = sum(project == row.project for project in held)
    if mine >= limits.of(row.project):
        return Decision(row.task, "slot", f"waits for a slot of {row.project} ({mine} of {limits.of(row.project)})")
    if len(held) >= limits.total:
        return Decision(row.task, "slot", f"waits for a slot ({len(held)} of {limits.total})")
    return Decision(row.task, None)
