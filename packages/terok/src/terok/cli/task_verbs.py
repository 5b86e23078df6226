"""Verbs on several tasks: each is tried, failures are listed, and what runs is never included by a filter alone."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from terok_util import Progress, TerokError, UsageError, safe_text, show

from terok.services import Tasks

if TYPE_CHECKING:
    from terok.model.task import Task


def stop(tasks: list[str], timeout: int | None, running: bool, as_json: bool) -> int:
    """Stop tasks; work that could not be handed over stays in their workspaces, and is named."""

    def one(service: Tasks, task: Task) -> str:
        service.stop(task, timeout=timeout)
        return _undelivered(service, task) or "is stopped"

    return _each(tasks, one, running=running, as_json=as_json)


def restart(tasks: list[str], running: bool, as_json: bool) -> int:
    """Start tasks again."""

    def one(service: Tasks, task: Task) -> str:
        service.restart(task)
        return "runs"

    return _each(tasks, one, running=running, as_json=as_json)


def archive(tasks: list[str], running: bool, as_json: bool) -> int:
    """Archive tasks."""

    def one(service: Tasks, task: Task) -> str:
        service.archive(task)
        return "is archived"

    return _each(tasks, one, running=running, as_json=as_json)


def restore(tasks: list[str], as_json: bool) -> int:
    """Bring tasks back."""

    def one(service: Tasks, task: Task) -> str:
        return f"is back: {service.restore(task).summary} no longer holds"

    return _each(tasks, one, running=True, as_json=as_json, trashed=True)


def delete(tasks: list[str], running: bool, as_json: bool) -> int:
    """Delete tasks."""

    def one(service: Tasks, task: Task) -> str:
        number = service.delete(task)
        return f"is deleted; `terok undo {number}` brings it back"

    return _each(tasks, one, running=running, as_json=as_json)


def revoke(tasks: list[str], running: bool, as_json: bool) -> int:
    """Take the credentials of tasks away."""

    def one(service: Tasks, task: Task) -> str:
        service.revoke(task)
        return "has no credentials any more; a new task gets its own"

    return _each(tasks, one, running=running, as_json=as_json)


def rename(task: str, name: str, as_json: bool) -> int:
    """Give a task another name."""
    with Tasks() as tasks:
        renamed = tasks.rename(tasks.find(task), name)
        show({"task": renamed.id, "name": renamed.name}, as_json, f"task {tasks.short(renamed)} is now {renamed.name}")
    return 0


def send(task: str, text: str, as_json: bool) -> int:
    """Give a working agent more input."""
    with Tasks() as tasks:
        chosen = tasks.find(task)
        tasks.send(chosen, text)
        show({"task": chosen.id}, as_json, f"task {tasks.short(chosen)} has it")
    return 0


def _each(
    words: Sequence[str],
    verb: Callable[[Tasks, Task], str],
    *,
    running: bool,
    as_json: bool,
    trashed: bool = False,
) -> int:
    """Do something to every task that is meant; returns 1, or the only task's code, if something failed."""
    with Progress() as say, Tasks(say=say) as service:
        chosen, by_filter = service.choose(words, trashed=trashed)
        left = [task for task in chosen if by_filter and not running and _runs(task)]
        if by_filter and not chosen:
            raise UsageError("no task meets the filter", hint="`terok task list` takes the same terms")
        short = service.shorts()
        rows, failures = [], []
        for task in (one for one in chosen if one not in left):
            try:
                said, stream = verb(service, task), sys.stdout
            except TerokError as error:
                said, stream = f"FAILED: {error.message}", sys.stderr
                failures.append(error)
            say.clear()
            rows.append({"task": task.id, "ok": stream is sys.stdout, "text": said})
            if not as_json and (stream is sys.stdout or len(chosen) > 1):
                stream.write(safe_text(f"task {short[task.id]} ({task.name}) {said}") + "\n")
                stream.flush()
        rows += [{"task": task.id, "ok": False, "text": "it runs, and was not included"} for task in left]
        if left:
            print(
                f"{len(left)} tasks run and were not included; --running includes them: "
                + ", ".join(short[task.id] for task in left),
                file=sys.stderr,
            )
        if as_json:
            show(rows, as_json, "")
    if len(chosen) == 1 and failures:
        raise failures[0]
    return 1 if failures else 0


def _runs(task: Task) -> bool:
    """Whether a task runs or is being started, as far as that is known."""
    return task.process == "up" or (task.started is not None and task.ended is None)


def _undelivered(service: Tasks, task: Task) -> str:
    if not task.scope:
        return ""
    delivery = service.engine(task).delivery(task.container)
    return "" if delivery.complete else f"is stopped; not all of its work is in the gate: {delivery.words()}"
