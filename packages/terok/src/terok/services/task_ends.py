"""Following tasks, stopping them, and recording their end: by whoever is there, exactly once."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING

from terok_util import TerokError

from terok.errors import TaskError
from terok.model.facts import Process, Pushed, Silence
from terok.services.task_starts import TaskStarts

if TYPE_CHECKING:
    from collections.abc import Callable

    from terok.integrations.executor import RunResult
    from terok.model.task import Task

GRACE = 20
"""Seconds in which an agent that is stopped may at least end and hand its work over."""


class TaskEnds(TaskStarts):
    """Sees tasks to their end."""

    def follow(self, task: Task, on_line: Callable[[str], None]) -> int:
        """Pass on the output of a task until it ends, record that, and return its exit code.

        Ctrl-C stops the task; any other exception leaves it running.
        """
        try:
            outcome = self.engine(task).follow(task.container, on_line)
        except KeyboardInterrupt:
            self.stop(task)
            raise
        self.record_exit(task, outcome.exit_code, at=time.time())
        return outcome.exit_code

    def record_exit(self, task: Task, exit_code: int | None, *, at: float | None = None, by: str = "") -> bool:
        """Record the end of a run, what it has pushed and what it has cost; returns whether nobody had yet."""
        pushed = self.pushed(task)
        cost = self._cost(task, exit_code)
        with self.store.write() as writer:
            first = writer.end(task.id, exit_code, by=by, at=at)
            writer.observe(task.id, process=Process(writer.at, "podman", "exited", exit_code, at), pushed=pushed)
            if cost is not None:
                writer.change(task.id, "cost", cost=cost)
        with suppress(TerokError):  # a project that is gone or broken now has no command to run
            self.run_hook(self.store.task(task.id), "post_stop", self.project(task))
        return first

    def pushed(self, task: Task) -> Pushed | None:
        """Return what a task has in the gate that nobody has promoted or rejected."""
        from terok.services.gates import Gates

        try:
            work = Gates(self).of_task(task).work
        except TerokError:
            return None
        if work is None or work.state == "rejected":
            return None
        return Pushed(time.time(), "gate", work.branch, work.tip, work.commits)

    def _cost(self, task: Task, exit_code: int | None) -> float | None:
        try:
            used = self.result(task, exit_code=exit_code or 0).usage
        except TerokError:
            return None
        return used.cost_usd if used.requests else None

    def result(self, task: Task, *, exit_code: int | None = None) -> RunResult:
        """Return what the last run of a task has brought; of one whose end was recorded here it is known."""
        code = exit_code if exit_code is not None else task.exit_code or 0
        if (known := self._results.get(task.id)) is not None and known.exit_code == code:
            return known
        began = task.started if task.started is not None else task.created
        ended = task.ended if task.ended is not None else time.time()
        found = self.engine(task).result(task.container, exit_code=code, duration=max(0.0, ended - began))
        self._results[task.id] = found
        return found

    def stop(self, task: Task, *, timeout: int | None = None, by: str = "a person") -> None:
        """Stop a task; its agent has `timeout` seconds to end and hand its work over. A queued one never starts."""
        with self.store.write() as writer:
            if writer.dequeue(task.id):
                writer.change(task.id, "stopping", desired="stopped", started=writer.at, stopped_by=by)
                writer.end(task.id, None, by=by)
                return
            if task.ended is not None:
                writer.change(task.id, "stopping", desired="stopped")
            else:
                writer.change(task.id, "stopping", desired="stopped", stopped_by=by)
        engine = self.engine(task)
        fact = engine.probe({task.id: task.container})[task.id]
        if isinstance(fact, Silence):
            raise TaskError(f"task {task.id} may still run: {fact.text}", hint="try again; it is to be stopped")
        if fact.word == "up":
            engine.stop(task.container, self._grace(task) if timeout is None else timeout)
            fact = engine.probe({task.id: task.container})[task.id]
        if isinstance(fact, Process):
            self.record_exit(task, fact.exit_code, at=fact.since, by="" if task.ended is not None else by)

    def _grace(self, task: Task) -> int:
        """Return the seconds that the project gives an agent to end; more than the default only if it says so."""
        from terok.config import sandbox_config

        try:
            return max(GRACE, sandbox_config(self.project(task)).shutdown_timeout)
        except TerokError:
            return GRACE
