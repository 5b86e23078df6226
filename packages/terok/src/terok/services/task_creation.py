"""Recording a task: settings, name, and whether it may start now or has to wait in the queue."""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from terok_util import UsageError, did_you_mean

from terok.errors import TaskBusy
from terok.model.admission import Limits, Waiting, admit, outcomes
from terok.model.facts import Launch
from terok.model.ids import RANDOM_BYTES, new_id
from terok.model.names import check_task_name, generate_name
from terok.model.task import Task
from terok.paths import free_bytes, tasks_dir
from terok.services.tasks_base import TaskBase
from terok.store import own_lease

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Mapping

    from terok.config import Project
    from terok.model.task import Mode
    from terok.store import Writer

MODES: dict[str, Mode] = {
    "interactive": "interactive",
    "headless": "headless",
    "web": "web",
    "cli": "interactive",
    "toad": "web",
}
"""The modes, by every name of theirs."""


@dataclass(frozen=True, slots=True)
class Asked:
    """A task that is asked for and was found right, before it has an identifier and a name."""

    project: Project
    mode: Mode
    prompt: str | None
    request: Mapping[str, Any]
    """Resolved fields of the executor's request."""
    preset: str | None
    overrides: Mapping[str, Any]


class TaskCreation(TaskBase):
    """Records tasks."""

    def create(
        self,
        project_name: str,
        prompt: str | None = None,
        *,
        mode: str | None = None,
        name: str | None = None,
        preset: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        more: Mapping[str, Any] | None = None,
        after: Iterable[str] = (),
        start: bool = True,
    ) -> tuple[Task, bool]:
        """Record a task, and return it and whether its caller has to start it now.

        It is to be started unless it waits in the queue, or `start` is False. `overrides` are settings by their
        dotted key, which replace those of project and preset; `more` are fields of the executor's request that no
        setting stands for, and the `port` of a web page. `after` names tasks that have to be done first.

        Raises:
            ConfigError: The project or its configuration is wrong.
            UsageError: The request is wrong.
        """
        asked = self.prepare(project_name, prompt, mode=mode, preset=preset, overrides=overrides, more=more)
        others = tuple(self.find(word).id for word in after)
        limits, free = self.limits(asked.project), free_bytes(tasks_dir())
        with self.store.write() as writer:
            task = self.record(writer, asked, name)
            if not start:
                writer.change(task.id, "recorded", desired="stopped", started=writer.at)
                writer.end(task.id, None, by="nobody: it has not been started")
                admitted = False
            else:
                writer.enqueue(Waiting(task.id, task.project, writer.at, None, others))
                admitted = _admit(writer, task, limits, free)
            if admitted:
                begin(writer, task)
        if not admitted:
            self.wake_controller()
        return self.store.task(task.id), admitted

    def prepare(
        self,
        project_name: str,
        prompt: str | None,
        *,
        mode: str | None = None,
        preset: str | None = None,
        overrides: Mapping[str, Any] | None = None,
        more: Mapping[str, Any] | None = None,
    ) -> Asked:
        """Judge and resolve what is asked for, as `create` takes it, and record nothing yet."""
        from terok.config import load_project, run_options

        chosen = MODES[mode] if mode is not None else "headless" if prompt is not None else "interactive"
        _check_prompt(chosen, prompt)
        idle = [name for name in ("port", "public_url") if chosen != "web" and name in (more or {})]
        if idle:
            raise UsageError(f"--{idle[0].replace('_', '-')} means nothing in an {chosen} task", hint="leave it out")
        settings = dict(overrides or {})
        project = load_project(project_name, preset=preset, overrides=settings)
        request = self._resolved({**run_options(project), **(more or {})})
        return Asked(project, chosen, prompt, request, preset, settings)

    def record(self, writer: Writer, asked: Asked, name: str | None = None, *, race: str = "") -> Task:
        """Record a task, which neither runs nor waits yet; UsageError if its name is taken."""
        task = self._row(writer, asked, name)._replace(race=race)
        known = {"preset": asked.preset, "overrides": asked.overrides}
        writer.add_task(task, self._request(task, asked.request, asked.prompt) | known)
        return task

    def _row(self, writer: Writer, asked: Asked, name: str | None) -> Task:
        from terok.engines import container_name

        project, request = asked.project, asked.request
        taken = {one.name for one in writer.candidates() if one.project == project.name}
        if name is not None and check_task_name(name) in taken:
            raise UsageError(
                f"project {project.name} has a task named {name}", hint=f"see `terok task show {project.name}/{name}`"
            )
        task_id = unused_id({one.id for one in writer.candidates(trashed=True)})
        return Task(
            id=task_id,
            project=project.name,
            name=name or generate_name(secrets.token_bytes(8), taken),
            name_by_user=name is not None,
            agent=str(request["agent"]),
            provider=str(request.get("provider") or ""),
            model=str(request.get("model") or ""),
            mode=asked.mode,
            created=writer.at,
            since=writer.at,
            container=container_name(project.name, task_id),
            scope=project.name if request.get("repo") else "",
            branch=str(request.get("branch") or f"terok/{task_id}") if request.get("repo") else "",
            prompt=asked.prompt or "",
        )

    def _resolved(self, request: dict[str, Any]) -> dict[str, Any]:
        """Return the request with its agent named, where `provider` may have named another agent."""
        from terok.integrations.executor import AgentRoster

        agents = AgentRoster.shared().agents
        wished = request.get("provider")
        if wished in agents:
            request = {**request, "agent": wished, "provider": None}
        if request.get("agent") not in agents:
            wrong = str(request.get("agent"))
            hint = did_you_mean(wrong, agents, "see `terok agents list`")
            raise UsageError(f"there is no agent {wrong[:60]!r}", hint=hint)
        return request

    def _request(self, task: Task, request: Mapping[str, Any], prompt: str | None) -> dict[str, Any]:
        """Return the request, from which the task can be started any number of times."""
        own: dict[str, Any] = {
            "project_id": task.project,
            "task_id": task.id,
            "prompt": prompt if task.mode == "headless" else None,
        }
        if task.mode == "web":
            own["web"] = True
        return {**request, **own}

    def limits(self, project: Project | None = None) -> Limits:
        """Return how many tasks may work at once."""
        from terok.config import load_settings
        from terok.config.spelling import parse_size
        from terok.integrations.sandbox import SandboxConfig, is_locked_down

        settings = load_settings().tasks
        own = {project.name: project.tasks.project_slots} if project is not None else {}
        return Limits(
            settings.slots,
            settings.project_slots,
            own,
            parse_size(settings.min_free_disk),
            stopped=is_locked_down(SandboxConfig.load().state_dir),
        )


def _admit(writer: Writer, task: Task, limits: Limits, free: int | None) -> bool:
    """Decide, in the transaction that records it, whether a task may start: no two ever take the last slot."""
    everyone = writer.tasks()
    working = [one.project for one in everyone if one.works]
    decisions = admit(writer.queue(), working, limits, free, writer.at, outcomes(everyone))
    decision = next(one for one in decisions if one.task == task.id)
    if not decision.admitted:
        writer.explain(decision)
    return decision.admitted


def begin(writer: Writer, task: Task) -> None:
    """Take a task out of the queue and record that this process starts it; TaskBusy if another one does."""
    if not writer.take_lease(task.id, own_lease()):
        raise busy(task.id)
    writer.dequeue(task.id)
    writer.begin(task.id, task.container)
    writer.observe(
        task.id, launch=Launch(writer.at, "terok", "starts"), process=None, silence=None, calls=None, cpu=None
    )


def busy(task_id: str) -> TaskBusy:
    """Return the error about a task that somebody else is acting on."""
    return TaskBusy(f"somebody is at work on task {task_id}", hint=f"see `terok task why {task_id}`")


def refuse_gone(task: Task) -> None:
    """Raise UsageError for a task that is deleted or archived, or is to be."""
    if task.desired in ("trashed", "archived"):
        gone = "deleted" if task.desired == "trashed" else "archived"
        raise UsageError(f"task {task.id} is {gone}", hint=f"bring it back with `terok task restore {task.id}`")


def unused_id(taken: Collection[str]) -> str:
    """Return a new identifier that is not among those that are taken."""
    return next(one for one in iter(lambda: new_id(secrets.token_bytes(RANDOM_BYTES)), "") if one not in taken)


def check_text(text: str) -> str:
    """Return the text of a prompt; UsageError if it is not Unicode."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise UsageError("the prompt is not UTF-8", hint="give it with --prompt-file, in UTF-8") from None
    return text


def _check_prompt(mode: Mode, prompt: str | None) -> None:
    check_text(prompt or "")
    if mode == "headless" and not (prompt or "").strip():
        raise UsageError("a headless task needs a prompt", hint='say what to do: `terok task run PROJECT "…"`')
    if mode != "headless" and prompt is not None:
        raise UsageError(f"a prompt means nothing in an {mode} task", hint="leave the prompt out, or --mode")
