"""Judging tasks again when time, and not an event, has changed what is known of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from terok.controller.processor import Processor
from terok.model.facts import Cpu

if TYPE_CHECKING:
    from terok.model.task import Task
    from terok.store import Store


class Doubting:
    """Records states that have changed by themselves; `pid_of` gives the first process of a task's container, or 0."""

    def __init__(self, store: Store, pid_of: Callable[[str], int]) -> None:
        self._store, self._pid_of = store, pid_of
        self._processor = Processor()
        self.due: dict[str, float] = {}
        """When the state of each task will be judged again, if nothing happens before."""

    def settle(self, tasks: Iterable[Task], now: float) -> bool:
        """Judge tasks and record what has changed; returns whether anything has."""
        self.due, judged, at_work = {}, [], []
        for task in tasks:
            state = self._store.state(task.id, now=now)
            if state.doubt_at is not None:
                self.due[task.id] = state.doubt_at
            changed = state.word != task.word or " ".join(state.also) != task.also
            if (
                changed
                and state.word in ("waiting", "unknown")
                and self._processor.look(task.id, self._pid_of(task.id))
            ):
                at_work.append(task.id)
            elif changed:
                judged.append(task.id)
            elif state.word == "working":
                self._processor.look(task.id, self._pid_of(task.id))
        if judged or at_work:
            with self._store.write(now) as writer:
                for task_id in judged:
                    writer.judge_again(task_id)
                for task_id in at_work:
                    writer.observe(task_id, cpu=Cpu(now, "cgroup"))
        return bool(judged or at_work)

    def forget(self, task: str) -> None:
        """Drop what is known of a task's container."""
        self._processor.forget(task)
