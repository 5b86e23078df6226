"""Starting tasks, following them, and recording their end: by whoever is there, exactly once."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from terok_util import TerokError, UsageError

from terok.engines.protocol import Launch as EngineLaunch
from terok.errors import TaskBusy, TaskError
from terok.model.facts import Process, Pushed, Silence
from terok.services.marked import make_marked
from terok.services.task_creation import TaskCreation, begin

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from terok.engines.protocol import Started
    from terok.integrations.executor import RunResult
    from terok.model.task import Task

CONTINUE = "Go on with what you were doing when you were interrupted."
"""The prompt of a headless task that is taken up again without one."""
INTERRUPTED = 130
GRACE = 20
"""Seconds in which an agent that is stopped may end and hand its work over."""
_START = "starting"


class TaskRuns(TaskCreation):
    """Starts tasks and sees them to their end."""

    def start(self, task_id: str) -> Task:
        """Start a task that is recorded or queued and return it as it is then.

        Raises TaskBusy if another process is starting it or it runs; errors of the executor as they are. A task that
        could not be started has failed, with the reason among its events.
        """
        task = self.store.task(task_id)
        with self.store.write() as writer:
            task = writer.task(task_id)
            self._refuse_busy(task)
            begin(writer, task)
        return self.carry_out_start(task)

    def carry_out_start(self, task: Task) -> Task:
        """Start a task whose start this process has recorded."""
        try:
            started = self.engine(task).start(self._launch(task))
        except BaseException as error:
            self._record_failed_start(task, error)
            raise
        self._record_start(task, started)
        return self.store.task(task.id)

    def _launch(self, task: Task) -> EngineLaunch:
        request = self.store.request(task.id)
        return EngineLaunch(
            container=task.container,
            project=task.project,
            mode=task.mode,
            request=request,
            workspace=None if request.get("sealed") else self._workspace(task),
        )

    def _workspace(self, task: Task) -> Path:
        """Return the task's workspace; what an earlier start that failed has left in it is put aside."""
        directory = self.directory(task)
        make_marked(directory, task.id)
        workspace = directory / "workspace"
        if workspace.is_dir() and any(workspace.iterdir()):
            kept = next(place for n in range(1, 1000) if not (place := directory / f"workspace.{n}").exists())
            workspace.rename(kept)
        workspace.mkdir(mode=0o700, exist_ok=True)
        return workspace

    def _refuse_busy(self, task: Task) -> None:
        if task.trashed is not None or task.archived is not None:
            gone = "deleted" if task.trashed is not None else "archived"
            raise UsageError(f"task {task.id} is {gone}", hint=f"bring it back with `terok task restore {task.id}`")
        if task.started is not None and task.ended is None and task.process == "up":
            raise TaskBusy(f"task {task.id} runs already", hint=f"see `terok task status {task.id}`")

    def _record_start(self, task: Task, started: Started) -> None:
        with self.store.write() as writer:
            found = {"agent": started.agent, "provider": started.provider, "scope": started.scope}
            writer.change(task.id, "started", **found, branch=started.branch)
            writer.observe(task.id, process=Process(writer.at, "podman", "up", since=started.started), launch=None)
            writer.drop_lease(task.id)

    def _record_failed_start(self, task: Task, error: BaseException) -> None:
        """Record why a task could not be started; one that a wrong request asked for is forgotten."""
        code = error.exit_code if isinstance(error, TerokError) else INTERRUPTED
        text = error.message if isinstance(error, TerokError) else "interrupted"
        with self.store.write() as writer:
            writer.drop_lease(task.id)
            writer.observe(task.id, launch=None, process=Process(writer.at, "podman", "gone"))
            writer.event(task.id, "start_failed", error=text, exit_code=code)
            if not isinstance(error, TerokError):
                writer.change(task.id, "stopping", desired="stopped", stopped_by="a person")
            writer.end(task.id, code)

    def forget(self, task: Task) -> None:
        """Remove a task that has never begun, as after a request that was wrong."""
        from terok.services.marked import remove_marked

        remove_marked(self.directory(task), task.id)
        with self.store.write() as writer:
            writer.forget_task(task.id)

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
        """Return what the last run of a task has brought."""
        code = exit_code if exit_code is not None else task.exit_code or 0
        began = task.started if task.started is not None else task.created
        ended = task.ended if task.ended is not None else time.time()
        return self.engine(task).result(task.container, exit_code=code, duration=max(0.0, ended - began))

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
            engine.stop(task.container, GRACE if timeout is None else timeout)
            fact = engine.probe({task.id: task.container})[task.id]
        if isinstance(fact, Process):
            self.record_exit(task, fact.exit_code, at=fact.since, by="" if task.ended is not None else by)

    def restart(self, task: Task, prompt: str | None = None) -> Task:
        """Start a task again whose container is there, or that never began.

        With a `prompt` a headless agent goes on in the same conversation; without one too, if it was interrupted and
        can. Raises TaskBusy while it runs, UsageError for one whose container is gone.
        """
        engine = self.engine(task)
        fact = engine.probe({task.id: task.container})[task.id]
        if isinstance(fact, Silence):
            raise TaskError(f"it is not known what task {task.id} is doing: {fact.text}", hint="try again")
        if fact.word == "up":
            raise TaskBusy(f"task {task.id} runs already", hint=f"see `terok task status {task.id}`")
        if fact.word == "gone":
            return self.start(task.id)
        with self.store.write() as writer:
            self._refuse_busy(writer.task(task.id)._replace(process=fact.word))
            begin(writer, task)
        try:
            engine.restart(task.container, prompt if prompt is not None else self._taken_up(task))
        except BaseException as error:
            self._record_failed_start(task, error)
            raise
        with self.store.write() as writer:
            writer.event(task.id, "started")
            writer.observe(task.id, process=Process(writer.at, "podman", "up", since=writer.at), launch=None)
            writer.drop_lease(task.id)
        return self.store.task(task.id)

    def _taken_up(self, task: Task) -> str | None:
        """Return the prompt for a headless task that is started again without one; None to begin anew."""
        from terok.integrations.executor import load_record, task_dir

        record = load_record(task_dir(task.container)) if task.mode == "headless" else None
        return CONTINUE if record is not None and record.continue_command else None
