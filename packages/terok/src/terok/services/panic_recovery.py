"""The end of a lockdown: what should run is taken up again, in a new container with new tokens."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Final

from terok_util import TerokError

from terok.errors import TaskError, UnknownTask
from terok.integrations.sandbox import lift_lockdown, list_sandboxes, read_lockdown
from terok.model.admission import Waiting
from terok.model.facts import Process, Silence
from terok.paths import panic_dir
from terok.services.panic import SETTING
from terok.services.panic_evidence import Sealed, check_evidence

if TYPE_CHECKING:
    from terok.integrations.sandbox import Sandbox
    from terok.model.task import Task
    from terok.services.tasks import Tasks

GRACE: Final = 2
"""Seconds for a container to end: it is cut off, so nothing of it can be handed over."""


@dataclass(slots=True)
class Cleared:
    """The outcome: tasks that were put in the queue, and what a person has to see to."""

    restored: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    evidence: Sealed | None = None
    failures: list[str] = field(default_factory=list)


def clear(tasks: Tasks, sandbox: Sandbox) -> Cleared:
    """Prepare what should run, and end the lockdown. The lockdown stays if anything is raised.

    The tokens of a container are in its environment and were revoked for good, so its task gets a new one with the same
    workspace and conversation.
    """
    state_dir = sandbox.config.state_dir
    done = Cleared()
    name = Path(str((read_lockdown(state_dir) or {}).get("evidence", ""))).name
    if name:
        try:
            done.evidence = check_evidence(panic_dir() / name)
            done.failures += done.evidence.problems
        except TerokError as error:
            done.failures.append(f"the evidence cannot be checked: {error.message}")
    ran = [one for one in tasks.store.setting(SETTING) or () if isinstance(one, str)]
    for task in _wanted(tasks, ran):
        try:
            _prepare(tasks, task, sandbox, done)
        except TerokError as error:
            done.failures.append(f"task {task.id} is not taken up again: {error.message}")
    lift_lockdown(state_dir)
    with tasks.store.write() as writer:
        writer.set(SETTING, None)
        writer.event("", "panic_cleared", tasks=done.restored)
    tasks.wake_controller()
    with suppress(TerokError):
        rows = list_sandboxes(sandbox.config, sandbox.runtime)
        done.left += [
            f"{row.name} runs and stays cut off: `terok sandbox rm {row.name}` removes it" for row in rows if row.bare
        ]
    return done


def _wanted(tasks: Tasks, ran: list[str]) -> list[Task]:
    found = []
    for task_id in ran:
        with suppress(UnknownTask):
            found.append(tasks.store.task(task_id))
    return [one for one in found if one.desired == "running" and one.trashed is None and one.archived is None]


def _prepare(tasks: Tasks, task: Task, sandbox: Sandbox, done: Cleared) -> None:
    """Remove the container of a task and put the task in the queue; a sealed one holds its work, and stays."""
    fact = tasks.probe(task)
    if isinstance(fact, Process) and fact.word == "up":
        tasks.engine(task).stop(task.container, GRACE)
        fact = tasks.probe(task)
    if isinstance(fact, Silence):
        raise TaskError(fact.text)
    if task.ended is None:
        tasks.record_exit(task, fact.exit_code, at=fact.since, by="panic")
    if tasks.store.request(task.id).get("sealed"):
        done.left.append(f"task {task.id} holds its work in its container, which has no tokens any more")
        return
    for removed in sandbox.rm(task.container) if fact.word != "gone" else ():
        if removed.error:
            raise TaskError(removed.error)
    with tasks.store.write() as writer:
        writer.observe(task.id, process=Process(writer.at, "podman", "gone"))
        writer.enqueue(Waiting(task.id, task.project, writer.at))
    done.restored.append(task.id)
