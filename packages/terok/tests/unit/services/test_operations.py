from __future__ import annotations

import time
from pathlib import Path
from unittest import mock

import pytest
from terok.errors import TaskError, UnknownTask
from terok.model.counted import SETTLES, Moment
from terok.model.task import Task
from terok.services import Tasks
from terok.services.operations import DAY
from terok.services.retention import tidy
from terok.store import counting
from terok_util import UsageError

from .conftest import PlainEngine
from .test_marked import content
from .test_tasks import finished, in_child, lease_of_init, other_tasks, run


def tree(tasks: Tasks, task: Task) -> dict[str, object]:
    return content(tasks.directory(task) / "workspace")


def test_delete_and_undo(tasks: Tasks) -> None:
    task = run(tasks)  # it runs, and is stopped first
    before = tree(tasks, task)
    number = tasks.delete(task)
    assert (tasks.store.tasks(), tasks.directory(task).exists()) == ([], False)
    assert (tasks.trash(task) / "output.log").read_text() == "said\n"
    assert tasks.find(task.id, trashed=True).desired == "trashed"
    again = finished(tasks)
    tasks.rename(again, task.name)
    assert tasks.operations.undo().id == number
    back = tasks.store.task(task.id)
    assert (tree(tasks, task), back.desired, back.word) == (before, "stopped", "stopped")
    assert back.name == f"{task.name}-{task.id}", "its name was taken meanwhile"
    with pytest.raises(TaskError, match="is undone already"):
        tasks.operations.undo(number)
    with pytest.raises(TaskError, match="nothing to undo"):
        tasks.operations.undo()


STEPS = 6


@pytest.mark.parametrize("runs", [True, False])
@pytest.mark.parametrize("step", range(STEPS))
@pytest.mark.parametrize("how", ["finish", "undo"])
def test_a_kill_at_any_step_of_a_deletion_loses_nothing(
    tasks: Tasks, engine: PlainEngine, step: int, how: str, *, runs: bool
) -> None:
    task = run(tasks) if runs else finished(tasks)
    before = tree(tasks, task)
    died = in_child(lambda: other_tasks(engine, step).delete(task))
    assert died in (9, 0)
    if how == "finish":
        assert tasks.operations.finish() == []
        assert tasks.operations.log()[0].state == "done"
        assert not tasks.directory(task).exists()
        with pytest.raises(UnknownTask):
            tasks.find(task.id)
    tasks.operations.undo()
    assert tree(tasks, task) == before
    assert tasks.find(task.id).trashed is None
    assert engine.probe({task.id: task.container})[task.id].word != "gone"


def test_finish_leaves_alone_what_another_process_is_at(tasks: Tasks, engine: PlainEngine) -> None:
    task = finished(tasks)
    with tasks.store.write() as writer:
        number = writer.record_operation("x", task.id, "x", {"kind": "task.delete", "task": task.id})
        writer.set(f"operation/{number}", lease_of_init())
    assert tasks.operations.finish() == []
    assert tasks.find(task.id).trashed is None


def test_the_trash_expires(root: Path, tasks: Tasks, engine: PlainEngine) -> None:
    (root / "config/config.yml").write_text("tasks: {trash_days: 2}\n")
    kept, gone = finished(tasks), finished(tasks)
    sessions = root / "state/acp" / gone.container  # of editors: they come back with the task, and go with it
    (sessions / "transcripts").mkdir(parents=True)
    tasks.delete(gone)
    expires = tasks.operations.log()[0].expires
    assert expires is not None
    assert 0 <= time.time() + 2 * 86400 - expires < 60
    assert tasks.operations.expire(expires - 1) == expires
    assert tasks.trash(gone).exists() and sessions.exists()
    assert tasks.operations.expire(expires) is None
    assert not sessions.exists()
    assert (tasks.trash(gone).exists(), tasks.operations.log()[0].state) == (False, "expired")
    assert engine.probe({"x": gone.container})["x"].word == "gone"
    with pytest.raises(UnknownTask):
        tasks.find(gone.id, trashed=True)
    with pytest.raises(TaskError):
        tasks.operations.undo()
    assert tasks.directory(kept).exists()


def test_a_clock_that_is_set_forward_ends_nothing_early(tasks: Tasks) -> None:
    start = Moment("first", 100.0, time.time())
    tidy(tasks, start)
    with mock.patch.object(counting, "this_moment", lambda: start):
        task, old = finished(tasks), finished(tasks)
        tasks.delete(task)
        tasks.archive(old)
    year = 400 * DAY
    due = tidy(tasks, Moment("first", 100.0 + DAY, start.clock + DAY + year))
    assert tasks.trash(task).exists() and tasks.store.task(old.id).trashed is None
    assert due == pytest.approx(start.clock + year + 14 * DAY), "by the clock as it is now"
    tidy(tasks, Moment("second", 50.0, start.clock + 2 * year))
    assert tasks.trash(task).exists(), "nothing is known yet of the time in which the machine was off"
    tidy(tasks, Moment("second", 50.0 + SETTLES, start.clock + year + 15 * DAY))
    assert tasks.trash(task).exists(), "it has been set since, and is believed later"
    tidy(tasks, Moment("second", 50.0 + 2 * SETTLES, start.clock + year + 15 * DAY + SETTLES))
    assert (tasks.trash(task).exists(), tasks.store.task(old.id).trashed) == (False, None)


def test_archive_and_restore(tasks: Tasks, engine: PlainEngine) -> None:
    task = run(tasks)
    with pytest.raises(UsageError, match="is not over"):
        tasks.archive(task)
    tasks.follow(task, lambda line: None)
    before = tree(tasks, task)
    tasks.archive(tasks.store.task(task.id))
    assert engine.probe({"x": task.container})["x"].word == "gone"
    assert (tasks.directory(task) / "output.log").exists()
    archived = tasks.store.task(task.id)
    assert archived.archived is not None
    with pytest.raises(UsageError, match="is archived"):
        tasks.restart(archived)
    tasks.restore(archived)
    assert tree(tasks, task) == before
    assert tasks.restart(tasks.store.task(task.id)).word == "working"
