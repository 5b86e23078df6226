"""Starting tasks, for the first time and again, and settling starts that were cut off."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_util import TerokError, UsageError

from terok.engines.values import Launch as EngineLaunch
from terok.errors import TaskBusy, TaskError
from terok.integrations.sandbox import SandboxConfig, refuse_lockdown
from terok.model.facts import Process, ProcessWord, Silence
from terok.services.marked import make_marked, remove_marked
from terok.services.task_creation import TaskCreation, begin

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path
    from typing import Any

    from terok.config import Project
    from terok.engines.values import Started
    from terok.model.task import Task

CONTINUE = "Go on with what you were doing when you were interrupted."
"""The prompt of a headless task that is taken up again without one."""
INTERRUPTED = 130
_ALL = 1_000_000


class TaskStarts(TaskCreation):
    """Starts tasks."""

    def start(self, task_id: str, prompt: str | None = None, *, follow_up: int | None = None) -> Task:
        """Start a task that is recorded or queued, or whose container is gone, and return it as it is then.

        A `prompt` stands for the one it was recorded with; it is that of `follow_up`, if there is one. A task that
        could not be started has failed, with the reason among its events.

        Raises:
            TaskBusy: Another process is starting it, or it runs.
            UsageError: It is deleted or archived.
            TerokError: Whatever keeps the executor from starting it.
        """
        task = self._begin(task_id, follow_up)
        return self.carry_out_start(task, prompt)

    def carry_out_start(self, task: Task, prompt: str | None = None) -> Task:
        """Start a task whose start this process has recorded."""
        self.starting = task.id
        try:
            project = self.project(task)
            self.run_hook(task, "pre_start", project)
            launch = self._launch(task, prompt, project)
            started = self.engine(task).start(launch)
        except BaseException as error:
            self._record_failed_start(task, error)
            raise
        finally:
            self.starting = None
        self._record_start(task, started)
        self.wake_controller()
        self._run_started_hooks(task, project)
        return self.store.task(task.id)

    def restart(self, task: Task, prompt: str | None = None, *, follow_up: int | None = None) -> Task:
        """Start a task again; one that has no container gets one for the workspace it has.

        With a `prompt`, that of `follow_up` if there is one, a headless agent goes on in the same conversation; without
        one too, if it can. Raises TaskBusy while it runs, and as `start` does.
        """
        engine = self.engine(task)
        fact = engine.probe({task.id: task.container})[task.id]
        if isinstance(fact, Silence):
            raise TaskError(f"it is not known what task {task.id} is doing: {fact.text}", hint="try again")
        if fact.word == "up":
            raise TaskBusy(f"task {task.id} runs already", hint=f"see `terok task status {task.id}`")
        if fact.word == "gone":
            return self.start(task.id, prompt, follow_up=follow_up)
        again = self._taken_up(task)
        if prompt is not None and again is None:
            raise UsageError(
                f"agent {task.agent} cannot go on with a conversation",
                hint=f'start another task: `terok task run {task.project} "…"`',
            )
        begun = self._begin(task.id, follow_up, process=fact.word)
        try:
            project = self.project(begun)
            self.run_hook(begun, "pre_start", project)
            engine.restart(task.container, prompt if prompt is not None else again)
        except BaseException as error:
            self._record_failed_start(task, error, left="exited")
            raise
        with self.store.write() as writer:
            writer.event(task.id, "started")
            writer.observe(task.id, process=Process(writer.at, "podman", "up", since=writer.at), launch=None)
            writer.drop_lease(task.id)
        self.wake_controller()
        self._run_started_hooks(begun, project)
        return self.store.task(task.id)

    def recover(self, task_id: str | None = None) -> None:
        """Settle a start, or all, whose process has died in the middle: what runs has started, what does not failed."""
        for one in self.store.left_alone() if task_id is None else [task_id]:
            task = self.store.task(one)
            engine = self.engine(task)
            fact = engine.probe({task.id: task.container})[task.id]
            if isinstance(fact, Process):
                last = engine.started_at(task.container) if fact.word != "gone" else None
                self._settle_start(task, fact, ran=last is not None and last >= (task.started or 0.0))

    def forget(self, task: Task) -> None:
        """Remove a task that has never begun, as after a request that was wrong; one with any file of work stays."""
        workspace = self.directory(task) / "workspace"
        if workspace.is_dir() and any(workspace.iterdir()):
            return
        remove_marked(self.directory(task), task.id)
        with self.store.write() as writer:
            writer.forget_task(task.id)

    def _launch(self, task: Task, prompt: str | None, project: Project) -> EngineLaunch:
        from terok.config import sandbox_config

        request = self.store.request(task.id)
        for asked in ("preset", "overrides"):
            del request[asked]
        workspace, kept = (None, False) if request.get("sealed") else self._workspace(task)
        if task.mode == "headless":
            again = self._taken_up(task) if kept else None
            if kept and again is None:
                self.say("note: what the agent remembered went with its container; it begins a new conversation")
            request["prompt"] = prompt or again or request["prompt"]
        return EngineLaunch(
            container=task.container,
            mode=task.mode,
            request={**request, "kept": kept},
            workspace=workspace,
            config=sandbox_config(project),
            image=self._image(task, project, request),
        )

    def _image(self, task: Task, project: Project, request: Mapping[str, Any]) -> str | None:
        """Return the image with the project's own lines, brought up to date; None for a project without any."""
        if not (project.image.user_snippet_inline or project.image.user_snippet_file):
            return None
        from terok.services.images import Images

        built = Images(self.say).of_project(project, agent=task.agent, tools=request.get("tools") or ())
        return built.image if built is not None else None

    def _run_started_hooks(self, task: Task, project: Project) -> None:
        self.run_hook(task, "post_start", project)
        if project.hooks.post_ready is not None:
            if task.mode == "headless":  # for the others the start itself has waited
                self.engine(task).wait_until_ready(task.container)
            self.run_hook(task, "post_ready", project)

    def _workspace(self, task: Task) -> tuple[Path, bool]:
        """Return the task's workspace, and whether it is that of an earlier container.

        What a start that failed has left in it is put aside: no agent has worked there, but nothing is removed.
        """
        directory = self.directory(task)
        make_marked(directory, task.id)
        workspace = directory / "workspace"
        if (workspace / ".git").exists() and self._has_run(task):
            return workspace, True
        if workspace.is_dir() and any(workspace.iterdir()):
            aside = next(place for n in range(1, 1000) if not (place := directory / f"workspace.{n}").exists())
            workspace.rename(aside)
        workspace.mkdir(mode=0o700, exist_ok=True)
        return workspace, False

    def _has_run(self, task: Task) -> bool:
        events = self.store.events_after(0, _ALL, task=task.id)
        return any(event.kind == "started" for event in events)

    def _taken_up(self, task: Task) -> str | None:
        """Return the prompt for a headless task that is started again without one; None to begin anew."""
        from terok.integrations.executor import load_record, task_dir

        record = load_record(task_dir(task.container)) if task.mode == "headless" else None
        return CONTINUE if record is not None and record.continue_command else None

    def _settle_start(self, task: Task, fact: Process, *, ran: bool) -> None:
        with self.store.write() as writer:
            if writer.lease(task.id) is not None:
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
                writer.end(task.id, INTERRUPTED)

    def _begin(self, task_id: str, follow_up: int | None, *, process: str | None = None) -> Task:
        """Take a task for a start, and its follow-up with it, so that no two ever start it or deliver that."""
        refuse_lockdown(SandboxConfig.load().state_dir)
        with self.store.write() as writer:
            task = writer.task(task_id)
            self._refuse_busy(task if process is None else task._replace(process=process))
            begin(writer, task)
            self._results.pop(task.id, None)
            if follow_up is not None and not writer.move_follow_up(follow_up, "written", "sent"):
                raise TaskBusy(f"follow-up {follow_up} was delivered or taken back meanwhile")
        return self.store.task(task_id)

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

    def _record_failed_start(self, task: Task, error: BaseException, *, left: ProcessWord = "gone") -> None:
        """Record why a task could not be started; one that a wrong request asked for is forgotten."""
        code = error.exit_code if isinstance(error, TerokError) else INTERRUPTED
        text = error.message if isinstance(error, TerokError) else "interrupted"
        with self.store.write() as writer:
            writer.drop_lease(task.id)
            writer.observe(task.id, launch=None, process=Process(writer.at, "podman", left))
            by = "" if isinstance(error, TerokError) else "a person"
            # Nothing starts it again by itself: what was wrong is still wrong.
            told = {"error": text, "exit_code": code}
            writer.change(task.id, "start_failed", told, desired="stopped", stopped_by=by)
            writer.end(task.id, code)
