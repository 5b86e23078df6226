"""Checks of tasks: what is recorded of each against what the engine says, and against what is on disk."""

from __future__ import annotations

import os
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from terok_util import TerokError
from terok_util.process import run

from terok.errors import TaskError
from terok.integrations.sandbox import SANDBOX_LABEL, Sidecar
from terok.model.facts import Process, Silence
from terok.paths import tasks_dir
from terok.services.checks import Check, Finding, Mend, with_tasks, without_tasks
from terok.services.checks_records import exposed
from terok.services.marked import mark_again, read_marker

if TYPE_CHECKING:
    from pathlib import Path

    from terok.model.task import Task
    from terok.services.health_view import View
    from terok.services.tasks import Tasks

RECENT: Final = 30.0
"""Seconds in which whoever follows a task may still be recording what has become of it."""
SECONDS: Final = 20.0


def of_tasks(view: View, chosen: list[Task] | None = None) -> Iterator[Check]:
    """Yield a check for every task, or for those that were `chosen`."""
    for task in view.records.tasks if chosen is None else chosen:
        name = f"task {task.project}/{task.name}"
        yield Check(name, partial(_look, view, task, name), task.word)


def _look(view: View, task: Task, name: str) -> Iterator[Finding]:
    for level, text, mend, hint in (*_process(view, task), *_files(view, task), *_hook(view, task)):
        yield Finding(name, "error" if level else "warn", text, task.id, hint, mend)


_Found = tuple[bool, str, "Mend | None", str]
"""Whether it is an error, the cause, what mends it, and a hint."""


def _process(view: View, task: Task) -> Iterator[_Found]:
    """Compare the record of a task with the engine's answer."""
    fact = view.processes.get(task.id)
    if task.id in view.records.leased or task.id in view.records.left_alone or task.started is None:
        return
    if fact is None or isinstance(fact, Silence):
        if task.ended is None:
            why = fact.text if fact is not None else "the engine did not answer"
            yield False, f"it is not known whether it runs: {why}", None, ""
        return
    runs = task.ended is None
    if other := _renamed(view, task):
        mend = without_tasks(partial(_rename, other, task.container))
        yield True, f"its container {task.container} was renamed to {other}", mend, ""
    elif fact.word == "gone" and runs and not _waits(view, task):
        text = f"its container {task.container} was removed by somebody while it ran"
        yield True, text, with_tasks(partial(_record, task, fact)), f"`terok task restart {task.id}` makes another"
    elif fact.word == "exited" and runs and (fact.since or 0.0) < view.now - RECENT:
        text = f"it has ended with exit code {fact.exit_code}, and nobody has recorded that"
        yield False, text, with_tasks(partial(_record, task, fact)), ""
    elif fact.word == "up" and (not runs or task.desired != "running"):
        wish = {"trashed": "deleted", "archived": "archived"}.get(task.desired, "stopped")
        text = f"its container runs although it was {wish}" if task.desired != "running" else "runs after its end"
        yield False, text, with_tasks(partial(_stop, task)), ""


def _files(view: View, task: Task) -> Iterator[_Found]:
    """Look at the directory of a task, and at its sidecar while it has a container."""
    config = view.sandbox.config
    fact = view.processes.get(task.id)
    directory = tasks_dir() / task.project / task.id
    if task.id in view.records.began and task.id not in view.records.sealed and task.trashed is None:
        if not directory.is_dir():
            yield True, f"its directory {directory} is gone", None, "see `terok op log` for who has moved it"
        elif not (directory / "workspace").is_dir():
            yield True, f"its workspace {directory / 'workspace'} is gone", None, "the gate has what was pushed"
        else:
            yield from _marker(directory, task)
    if not task.container or not isinstance(fact, Process) or fact.word == "gone":
        return
    path = config.sidecar_path(task.container)
    if not os.path.lexists(path):
        yield True, f"its sidecar {path} is gone: the container cannot be started", None, "start another task"
        return
    for one in exposed("", path, 0o600):
        yield True, f"{one.text}: the container cannot be started", one.mend, one.hint
        return
    try:
        Sidecar.load(path)
    except TerokError as error:
        yield True, f"its sidecar cannot be used: {error.message}", None, error.hint or ""


def _marker(directory: Path, task: Task) -> Iterator[_Found]:
    try:
        read_marker(directory, task.id)
    except TaskError as error:
        text = f"it can be neither moved nor removed: {error.message}"
        yield True, text, without_tasks(partial(mark_again, directory, task.id)), ""


def _hook(view: View, task: Task) -> Iterator[_Found]:
    """Find a `post_stop` that nobody has run, for a run that has ended."""
    if task.started is None or task.ended is None or task.ended > view.now - RECENT:
        return
    if view.records.began.get(task.id, 0.0) < task.started:
        return  # the last start did not succeed
    project = next((one for one in view.sound_projects() if one.name == task.project), None)
    if project is None or project.hooks.post_stop is None or task.trashed is not None:
        return
    if task.id not in view.records.hooks_run:
        run_it = with_tasks(lambda tasks: tasks.run_hook(task, "post_stop", project))
        yield False, "its hook post_stop was never run", run_it, ""


def _waits(view: View, task: Task) -> bool:
    return any(row.task == task.id for row in view.records.queue)


def _renamed(view: View, task: Task) -> str:
    """Return the name that a task's container has been given since its launch; the engine knows it by the old one."""
    named = {row.name for row in view.containers.value or () if row.labels.get(SANDBOX_LABEL) == task.container}
    return "" if task.container in named else min(named, default="")


def _rename(now: str, before: str) -> None:
    run(["podman", "rename", now, before], timeout=SECONDS)


def _record(task: Task, fact: Process, tasks: Tasks) -> None:
    tasks.record_exit(tasks.store.task(task.id), fact.exit_code, at=fact.since)
    with tasks.store.write() as writer:
        writer.observe(task.id, task.started, process=fact, silence=None)


def _stop(task: Task, tasks: Tasks) -> None:
    """Stop a container; what is wanted of its task stays as it is."""
    tasks.engine(task).stop(task.container, int(SECONDS))
    fact = tasks.probe(task)
    if not isinstance(fact, Process):
        raise TaskError(fact.text)
    if task.ended is None:
        _record(task, fact, tasks)
    else:
        with tasks.store.write() as writer:
            writer.observe(task.id, task.started, process=fact, silence=None)
