"""Checks of the database: itself, the controller, what was cut off in the middle, what is overdue, and the queue."""

from __future__ import annotations

import os
import signal
import stat
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Final

from terok.errors import ControllerError
from terok.model.admission import FAILED, outcomes
from terok.paths import controller_socket, database_path
from terok.services.checks import Check, Finding, with_tasks, without_tasks
from terok.store import Lease, is_alive
from terok.store.counting import counted_now
from terok.wire import ask

if TYPE_CHECKING:
    from pathlib import Path

    from terok.services.health_view import Records, View
    from terok.services.tasks import Tasks

OVERDUE: Final = 3600.0
"""Seconds for which a controller may be late with what has expired."""
SKEW: Final = 300.0


def of_records(view: View) -> Iterator[Check]:
    """Yield the checks of the database and of who looks after it."""
    records = view.records
    yield Check("database", partial(_database, view), "opens, and is whole")
    if view.store_error is not None:
        return
    yield Check("controller", partial(_controller, records))
    yield Check("starts", partial(_starts, records), "none was cut off")
    yield Check("operations", partial(_operations, records), "none was cut off")
    yield Check("trash", partial(_overdue, records), "nothing is overdue")
    yield Check("queue", partial(_queue, records), "nothing is stuck")
    yield Check("clock", partial(_clock, records, view.now), "no record is from the future")


def _database(view: View) -> Iterator[Finding]:
    for path in sorted(database_path().parent.glob(f"{database_path().name}*")):
        yield from exposed("database", path, 0o600)
    if view.store_error is not None:
        yield Finding("database", "error", view.store_error.message, hint=view.store_error.hint or "")
    elif view.records.quick_check != "ok":
        hint = "move it away and restore it from a backup; containers are not touched"
        yield Finding("database", "error", f"is damaged: {view.records.quick_check}", hint=hint)


def exposed(check: str, path: Path, mode: int) -> Iterator[Finding]:
    """Yield a finding for a file or directory of ours that other users can get at."""
    try:
        found = stat.S_IMODE(path.lstat().st_mode)
    except OSError:
        return
    if found & 0o077 and not path.is_symlink():
        yield Finding(
            check,
            "error",
            f"other users can get at {path}: its mode is {found:04o}",
            hint=f"chmod {mode:o} {path}",
            mend=without_tasks(partial(path.chmod, mode)),
        )


def _controller(records: Records) -> Iterator[Finding]:
    try:
        ask("ping")
        return
    except ControllerError as error:
        silent = error.message
    lease = Lease(*records.controller) if records.controller else None
    if lease is not None and is_alive(lease):
        hint = "--fix ends it and starts another; nothing is lost"
        text = f"process {lease.pid} runs, and does not answer: {silent}"
        yield Finding("controller", "error", text, hint=hint, mend=partial(_replace, lease))
    elif work := _waits_for_it(records):
        was = "was killed" if lease is not None else "does not run"
        yield Finding("controller", "warn", f"it {was}, and {work}", hint="`terok controller start`", mend=_wake)
    elif lease is not None or controller_socket().exists():
        yield Finding("controller", "info", "it was killed; nothing needs it")


def _waits_for_it(records: Records) -> str:
    """Return what a controller would look after."""
    running = [task for task in records.tasks if task.started is not None and task.ended is None]
    if running:
        return f"{len(running)} running tasks have nobody to record their end"
    if records.queue:
        return f"{len(records.queue)} queued tasks have nobody to start them"
    mine = [task for task in records.tasks if task.id in records.written and task.desired == "running"]
    return f"{len(mine)} follow-ups have nobody to deliver them" if mine else ""


def _replace(lease: Lease, tasks: Tasks | None) -> None:
    if is_alive(lease):
        handle = os.pidfd_open(lease.pid)
        try:
            if is_alive(lease):
                signal.pidfd_send_signal(handle, signal.SIGKILL)
        finally:
            os.close(handle)
    _wake(tasks)


def _wake(tasks: Tasks | None) -> None:
    if tasks is not None:
        tasks.wake_controller()


def _starts(records: Records) -> Iterator[Finding]:
    for task_id in records.left_alone:
        text = f"task {task_id}: the process that started or stopped it has died in the middle"
        yield Finding("starts", "warn", text, task_id, mend=with_tasks(partial(_recover, task_id)))


def _recover(task_id: str, tasks: Tasks) -> None:
    tasks.recover(task_id)


def _operations(records: Records) -> Iterator[Finding]:
    for one in records.operations:
        if one.state == "open" and one.id not in records.held:
            text = f"operation {one.id} ({one.verb} of {one.subject}) was cut off in the middle"
            yield Finding("operations", "warn", text, one.subject, mend=with_tasks(_finish))


def _finish(tasks: Tasks) -> None:
    for error in tasks.operations.finish():
        raise error


def _overdue(records: Records) -> Iterator[Finding]:
    late = [
        one
        for one in records.operations
        if one.state == "done" and one.expires is not None and one.expires < records.counted - OVERDUE
    ]
    if late:
        text = f"{len(late)} things in the trash are overdue: no controller has run since"
        yield Finding("trash", "warn", text, mend=with_tasks(_expire))


def _expire(tasks: Tasks) -> None:
    tasks.operations.expire(counted_now(tasks.store))


def _queue(records: Records) -> Iterator[Finding]:
    words = outcomes(records.tasks)
    known = {task.id: task for task in records.tasks}
    for row in records.queue:
        task = known.get(row.task)
        if task is None:
            continue
        if task.trashed is not None or task.archived is not None or (task.process == "up" and task.ended is None):
            state = "deleted" if task.trashed is not None else "archived" if task.archived is not None else "running"
            text = f"task {row.task} waits in the queue although it is {state}"
            yield Finding("queue", "warn", text, row.task, mend=with_tasks(partial(_dequeue, row.task)))
        for other in row.after:
            if (word := words.get(other, "missing")) in FAILED:
                text = f"task {row.task} waits for {other}, which is {word}: it never starts by itself"
                yield Finding("queue", "warn", text, row.task, hint=f"`terok task stop {row.task}`")


def _dequeue(task_id: str, tasks: Tasks) -> None:
    with tasks.store.write() as writer:
        writer.dequeue(task_id)


def _clock(records: Records, now: float) -> Iterator[Finding]:
    ahead = [task for task in records.tasks if max(task.created, task.started or 0.0) > now + SKEW]
    if ahead:
        text = f"{len(ahead)} tasks were made later than it is now: the clock was set back"
        yield Finding("clock", "warn", text, ahead[0].id, hint="see `timedatectl status`")
