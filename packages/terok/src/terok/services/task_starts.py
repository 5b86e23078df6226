"""Starting tasks, for the first time and again, and settling starts that were cut off."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

from terok_util import TerokError, UsageError

from terok.errors import TaskBusy, TaskError
from terok.integrations.sandbox import SandboxConfig, refuse_lockdown
from terok.model.admission import Waiting, admit, outcomes
from terok.model.facts import Process, Silence
from terok.paths import free_bytes, tasks_dir
from terok.services.marked import make_marked, remove_marked
from terok.services.review_letters import with_comments
from terok.services.task_creation import begin, busy, refuse_gone
from terok.services.task_launches import TaskLaunches
from terok.store.reviewing import send_comments

if TYPE_CHECKING:
    from terok.config import Project
    from terok.engines.values import Started
    from terok.model.admission import Limits
    from terok.model.task import Task
    from terok.store import Writer

INTERRUPTED = 130
_TAKEN_AWAY = ("task.delete", "task.archive")
"""Kinds of operations that take one task away; others name a task that stays, such as the one that a race keeps."""
GRACE = 20
"""Seconds in which an agent that is stopped may at least end and hand its work over."""


class TaskStarts(TaskLaunches):
    """Starts tasks."""

    def start(self, task_id: str) -> Task:
        """Start a task that waits in the queue; see `restart`."""
        return self.restart(self.store.task(task_id))

    def restart(
        self, task: Task, prompt: str | None = None, *, follow_up: int | None = None, admitted: bool = False
    ) -> Task:
        """Start a task, for the first time or again, and return it as it is then.

        One that has no container gets one for the workspace it has. With a `prompt`, that of `follow_up` if there is
        one, a headless agent goes on in the same conversation; without one too, if it can. One that is `admitted`
        needs no slot. A task that could not be started has failed, with the reason among its events.

        Raises:
            TaskBusy: It runs, another process is acting on it, or it has to wait for a slot.
            UsageError: It is deleted or archived, or its agent cannot go on.
            TaskError: Podman does not say what it is doing.
            TerokError: Whatever else keeps it from starting.
        """
        before = self.store.task(task.id)  # what the engine says next may be old before it is acted upon
        refuse_gone(before)
        if self.store.lease(task.id) is not None:
            raise busy(task.id)
        fact = self.probe(task)
        if isinstance(fact, Silence):
            raise TaskError(f"it is not known what task {task.id} is doing: {fact.text}", hint="try again")
        if fact.word == "up":
            raise TaskBusy(f"task {task.id} runs already", hint=f"see `terok task status {task.id}`")
        if fact.word == "exited" and prompt is not None and self._taken_up(task) is None:
            raise UsageError(
                f"agent {task.agent} cannot go on with a conversation",
                hint=f'start another task: `terok task run {task.project} "…"`',
            )
        begun = self._begin(task.id, follow_up, last=before.started, admitted=admitted)
        if follow_up is not None and prompt is not None:
            prompt = with_comments(self.store, task.id, follow_up, prompt)
        return self.carry_out_start(begun, prompt, follow_up=follow_up, anew=fact.word == "gone")

    def carry_out_start(
        self, task: Task, prompt: str | None = None, *, follow_up: int | None = None, anew: bool = True
    ) -> Task:
        """Start a task whose start this process has recorded; `anew` if it has no container."""
        self.starting = task.id
        started = None
        try:
            make_marked(self.directory(task), task.id)  # the output of a hook is kept there
            project = self.project(task)
            self.run_hook(task, "pre_start", project)
            if anew:
                started = self.engine(task).start(self._launch(task, prompt, project))
            else:
                self.engine(task).restart(task.container, prompt if prompt is not None else self._taken_up(task))
        except BaseException as error:
            self._record_failed_start(task, error, follow_up)
            raise
        finally:
            self.starting = None
        self._record_start(task, started, follow_up)
        self.wake_controller()
        self._run_started_hooks(task, project)
        return self.store.task(task.id)

    def forget(self, task: Task) -> None:
        """Remove a task that has never begun, as after a request that was wrong; one with any file of work stays."""
        workspace = self.directory(task) / "workspace"
        if workspace.is_dir() and any(workspace.iterdir()):
            return
        remove_marked(self.directory(task), task.id)
        with self.store.write() as writer:
            writer.forget_task(task.id)

    def recover(self, task_id: str | None = None) -> None:
        """Settle a start, or all, whose process has died in the middle: what runs has started, what does not failed."""
        for one in self.store.left_alone() if task_id is None else [task_id]:
            task = self.store.task(one)
            fact = self.probe(task)
            if isinstance(fact, Process):
                last = self.engine(task).started_at(task.container) if fact.word == "exited" else None
                ran = fact.word == "up" or (last is not None and last >= (task.started or 0.0))
                self._settle_start(task, fact, ran=ran)

    def _settle_start(self, task: Task, fact: Process, *, ran: bool) -> None:
        with self.store.write() as writer:
            if writer.lease(task.id) is not None or writer.task(task.id).started != task.started:
                return
            writer.drop_lease(task.id)
            if task.ended is not None or writer.facts(task.id).launch is None:
                return
            writer.event(task.id, "started" if ran else "start_failed", error="the process that started it has died")
            writer.observe(task.id, launch=None, process=fact)
            for one in writer.follow_ups(task.id):
                if one.state == "sent" and one.how == "queue":
                    writer.move_follow_up(one.id, "sent", "seen" if ran else "written")
            if not ran:
                self._end_or_put_back(writer, task, INTERRUPTED)

    def _end_or_put_back(self, writer: Writer, task: Task, code: int) -> None:
        """Record the end of a start that was cut off; one that is still wanted and has never run is queued again."""
        if task.desired != "running" or self._has_run(task):
            writer.end(task.id, code)
            return
        writer.change(task.id, "put_back", started=None)
        writer.enqueue(Waiting(task.id, task.project, writer.at))

    def _begin(self, task_id: str, follow_up: int | None, *, last: float | None, admitted: bool) -> Task:
        """Take a task for a start, and its follow-up with it, so that no two ever start it or deliver that.

        `last` is when the run began of which the engine has said that it is over.
        """
        refuse_lockdown(SandboxConfig.load().state_dir)
        limits, free = self.limits(), free_bytes(tasks_dir())
        with self.store.write() as writer:
            task = writer.task(task_id)
            if task.started != last:
                raise TaskBusy(f"task {task.id} was started meanwhile", hint=f"see `terok task status {task.id}`")
            refuse_gone(task)
            if not admitted:
                _refuse_unless_admitted(writer, task, limits, free)
            begin(writer, task)
            for one in writer.operations():  # whoever starts a task does not want what was to take it away
                takes_away = one.inverse.get("kind") in _TAKEN_AWAY and one.inverse.get("task") == task.id
                if one.state == "open" and takes_away:
                    writer.move_operation(one.id, "open", "undone")
            self._results.pop(task.id, None)
            written = [one.id for one in writer.follow_ups(task.id) if one.state == "written"]
            if follow_up is not None and written[:1] != [follow_up]:
                raise TaskBusy(f"follow-up {follow_up} was delivered or taken back meanwhile")
            if follow_up is not None:
                writer.move_follow_up(follow_up, "written", "sent")
                send_comments(writer, task.id, follow_up)
        return self.store.task(task_id)

    def _record_start(self, task: Task, started: Started | None, follow_up: int | None) -> None:
        """Record that a task runs; one that a person wanted to stop meanwhile is stopped."""
        with self.store.write() as writer:
            wanted = writer.task(task.id).desired == "running"
            found = {"agent": started.agent, "provider": started.provider} if started is not None else {}
            if started is not None:
                found |= {"scope": started.scope, "branch": started.branch}
            writer.change(task.id, "started", **found)
            since = started.started if started is not None else writer.at
            writer.observe(task.id, process=Process(writer.at, "podman", "up", since=since), launch=None)
            if follow_up is not None:
                writer.move_follow_up(follow_up, "sent", "seen")
            writer.drop_lease(task.id)
        if not wanted:
            self.engine(task).stop(task.container, GRACE)
            fact = self.probe(task)
            with self.store.write() as writer:
                self.observe(writer, task, fact)
                writer.end(task.id, fact.exit_code if isinstance(fact, Process) else None)
            raise TaskBusy(f"task {task.id} was stopped while it started", hint=f"`terok task restart {task.id}`")

    def _run_started_hooks(self, task: Task, project: Project) -> None:
        self.run_hook(task, "post_start", project)
        if project.hooks.post_ready is None:
            return
        # For the others the start itself has waited.
        if task.mode == "headless" and not self.engine(task).wait_until_ready(task.container, task.started or 0.0):
            self.say("note: the hook post_ready is not run: the task has not got as far as its repository")
            return
        self.run_hook(task, "post_ready", project)

    def _record_failed_start(self, task: Task, error: BaseException, follow_up: int | None) -> None:
        """Record why a task could not be started, and what is left of it by the engine's own word.

        What runs in spite of the error is stopped; nothing starts it again by itself, since what was wrong still is.
        """
        code = error.exit_code if isinstance(error, TerokError) else INTERRUPTED
        text = error.message if isinstance(error, TerokError) else "interrupted"
        fact = self.probe(task)
        if isinstance(fact, Process) and fact.word == "up":
            with suppress(TerokError):
                self.engine(task).stop(task.container, GRACE)
            fact = self.probe(task)
        with self.store.write() as writer:
            writer.drop_lease(task.id)
            self.observe(writer, task, fact)
            told = {"error": text, "exit_code": code}
            if isinstance(error, SystemExit):  # our terminal has gone, and nobody has said that it should not run
                writer.event(task.id, "start_failed", **told)
            else:
                by = "" if isinstance(error, TerokError) else "a person"
                writer.change(task.id, "start_failed", told, desired="stopped", stopped_by=by)
            if isinstance(fact, Process) and fact.word != "up":
                self._end_or_put_back(writer, writer.task(task.id), code)
                if follow_up is not None:
                    writer.move_follow_up(follow_up, "sent", "written")

    @staticmethod
    def observe(writer: Writer, task: Task, fact: Process | Silence) -> None:
        """Record what the engine has said of a task, unless another run has begun since."""
        if isinstance(fact, Silence):
            writer.observe(task.id, task.started, launch=None, silence=fact)
        else:
            writer.observe(task.id, task.started, launch=None, process=fact, silence=None)


def _refuse_unless_admitted(writer: Writer, task: Task, limits: Limits, free: int | None) -> None:
    """Raise TaskBusy if a task has to wait for a slot, or for room on disk."""
    working = [one.project for one in writer.tasks() if one.works and one.id != task.id]
    row = Waiting(task.id, task.project, writer.at)
    decision = admit([row], working, limits, free, writer.at, outcomes(()))[0]
    if not decision.admitted:
        raise TaskBusy(f"task {task.id} cannot start now: {decision.text}", hint="see `terok task list s:working`")
