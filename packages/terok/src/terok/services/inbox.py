"""Reading for an inbox: all tasks with one look, those that have changed, and everything about one."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from terok_util import LeanTuple, TerokError

from terok.errors import UnknownTask
from terok.services.tasks_base import TaskBase

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from terok.model.claims import Claim
    from terok.model.facts import Clearance, Spent
    from terok.model.state import TaskState
    from terok.model.task import FollowUp, Task


class Everything(LeanTuple):
    """All tasks that an inbox has, how a person types each, and the number of the last event they contain."""

    tasks: tuple[Task, ...]
    short: Mapping[str, str]
    seq: int


class TaskDetail(LeanTuple):
    """Everything that is recorded about a task."""

    task: Task
    state: TaskState
    questions: tuple[Claim, ...]
    clearance: Clearance | None
    spent: Spent | None
    waiting: tuple[FollowUp, ...]
    directory: str


class Inbox(TaskBase):
    """Reads tasks for a front end that stays; used by one thread at a time."""

    def everything(self) -> Everything:
        """Return all tasks but those in the trash or the archive."""
        seen = self.store.snapshot()
        return Everything(tuple(task for task in seen.tasks if task.archived is None), self.shorts(), seen.seq)

    def some(self, ids: Iterable[str]) -> tuple[tuple[Task, ...], frozenset[str]]:
        """Return tasks as they are judged now, and which of `ids` an inbox no longer has."""
        found, gone = [], set()
        for task_id in ids:
            try:
                task = self.store.task(task_id)
            except UnknownTask:
                gone.add(task_id)
                continue
            if task.trashed is None and task.archived is None:
                found.append(task)
            else:
                gone.add(task_id)
        return tuple(found), frozenset(gone)

    def detail(self, task_id: str) -> TaskDetail:
        """Return everything about one task; UnknownTask if there is none."""
        task, facts = self.store.task(task_id), self.store.facts(task_id)
        return TaskDetail(
            task,
            self.store.state(task_id),
            self.store.claims(task_id).open,
            facts.clearance,
            facts.spent,
            tuple(one for one in self.store.follow_ups(task_id) if one.state == "written"),
            str(self.directory(task)),
        )

    def shield(self, task: Task) -> str:
        """Return the posture of a task's wall: "" while it does not run, `unknown` if nobody says."""
        if task.process != "up":
            return ""
        from terok.integrations.sandbox import Sandbox

        with suppress(TerokError, OSError):
            return Sandbox().shield(task.container).state().posture
        return "unknown"
