"""Following tasks, stopping them, and recording their end: by whoever is there, exactly once."""

from __future__ import annotations

import time
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from terok_util import TerokError, safe_text

from terok.errors import TaskError
from terok.model.facts import Process, Pushed, Silence
from terok.services.task_creation import refuse_gone
from terok.services.task_starts import GRACE, TaskStarts

if TYPE_CHECKING:
    from collections.abc import Callable

    from terok.config import Project
    from terok.integrations.executor import RunResult
    from terok.model.task import Task
    from terok.services.gates import Gates

LAUNCH_SLACK = 180.0
"""Seconds beyond an agent's own time limit, for the clone before it and the hand-over after it."""
LONGEST = 7 * 24 * 3600.0
TIMED_OUT = 124


class TaskEnds(TaskStarts):
    """Sees tasks to their end."""

    def follow(self, task: Task, on_line: Callable[[str], None]) -> int:
        """Pass on the output of a task until it ends, record that, and return its exit code.

        Ctrl-C stops the task, and so does a run far beyond its own time limit; any other exception leaves it running.
        """
        engine = self.engine(task)
        try:
            code = engine.follow(task.container, on_line, timeout=self._time_left(task))
        except KeyboardInterrupt:
            self.stop(task)
            raise
        except TimeoutError:
            self.stop(task, by="its time limit")
            return TIMED_OUT
        self.record_exit(task, code, at=time.time())
        return code

    def _run_started_hooks(self, task: Task, project: Project) -> None:
        """Run what is to be run once a task has started; Ctrl-C meanwhile stops the task, as it always does."""
        try:
            super()._run_started_hooks(task, project)
        except KeyboardInterrupt:
            self.stop(task)
            raise

    def _time_left(self, task: Task) -> float:
        """Return the seconds that the present run may still take."""
        limit = float(self.store.request(task.id).get("timeout") or 0) if task.mode == "headless" else 0.0
        if not limit:
            return LONGEST
        gone = max(0.0, time.time() - (task.started or time.time()))  # the clock may have been set back
        return max(1.0, limit + LAUNCH_SLACK - gone)

    def record_exit(self, task: Task, exit_code: int | None, *, at: float | None = None, by: str = "") -> bool:
        """Record the end of the run of `task`, what it has pushed and cost; returns whether nobody had yet.

        `task` is as it was during that run: nothing is said about another one that has begun meanwhile.
        """
        facts = self._pushed_fact(task)
        cost = self._cost(task, exit_code)
        with self.store.write() as writer:
            first = writer.end(task.id, exit_code, by=by, at=at, run=task.started)
            if writer.task(task.id).started == task.started:
                process = Process(writer.at, "podman", "exited", exit_code, at)
                writer.observe(task.id, process=process, silence=None, **facts)
                if cost is not None:
                    writer.change(task.id, "cost", cost=cost)
        with suppress(TerokError):  # a project that is gone or broken now has no command to run
            self.run_hook(task._replace(exit_code=exit_code, ended=at), "post_stop", self.project(task))
        return first

    def _pushed_fact(self, task: Task) -> dict[str, Any]:
        """Return what a task has in the gate as a fact to record; nothing if the gate does not say."""
        try:
            return {"pushed": self.pushed(task)}
        except TerokError:
            return {}

    def pushed(self, task: Task, gates: Gates | None = None) -> Pushed | None:
        """Return what a task has in the gate that nobody has promoted or rejected; GateError if it cannot be read."""
        from terok.services.gates import Gates

        try:
            work = (gates or Gates(self)).of_task(task).work
        except TaskError:
            return None
        if work is None or work.state == "rejected":
            return None
        return Pushed(time.time(), "gate", safe_text(work.branch, limit=200), work.tip, work.commits)

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
        """Stop a task; its agent has `timeout` seconds to end and hand its work over. A queued one never starts.

        One that is being started is stopped by whoever starts it. UsageError for one that is deleted or archived.
        """
        with self.store.write() as writer:
            refuse_gone(writer.task(task.id))
            queued, task = writer.dequeue(task.id), writer.task(task.id)
            ended = task.ended is not None
            writer.change(task.id, "stopping", desired="stopped", stopped_by=task.stopped_by if ended else by)
            if queued and task.started is None:
                writer.change(task.id, "recorded", started=writer.at)
                writer.end(task.id, None, by=by)
            if queued or (writer.lease(task.id) is not None and writer.facts(task.id).launch is not None):
                return
        self.bring_down(task, timeout=timeout, by=by)

    def bring_down(self, task: Task, *, timeout: int | None = None, by: str = "a person") -> None:
        """Stop the container of a task, whatever is wanted of it, and record the end; TaskError if Podman is silent."""
        fact = self.probe(task)
        if isinstance(fact, Silence):
            raise TaskError(f"task {task.id} may still run: {fact.text}", hint="try again; it is to be stopped")
        if fact.word == "up":
            self.engine(task).stop(task.container, self._grace(task) if timeout is None else timeout)
            fact = self.probe(task)
        if isinstance(fact, Process) and fact.word != "up" and task.started is not None and task.ended is None:
            self.record_exit(task, fact.exit_code, at=fact.since, by=by)
        else:
            with self.store.write() as writer:
                self.observe(writer, task, fact)

    def _grace(self, task: Task) -> int:
        """Return the seconds that the project gives an agent to end; more than the default only if it says so."""
        from terok.config import sandbox_config

        try:
            return max(GRACE, sandbox_config(self.project(task)).shutdown_timeout)
        except TerokError:
            return GRACE
