"""Two at once, and things that fail in the middle: nothing is done twice, behind a person's back, or to another run."""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from terok.errors import TaskBusy, TaskError
from terok.integrations.sandbox import GateError, SandboxConfig, lock_down
from terok.model.facts import Pushed
from terok.model.task import Task
from terok.services import Tasks
from terok.services.decisions import Decisions
from terok.services.gates import Gates, Work
from terok.services.projects import Projects
from terok.services.reviews import Reviews
from terok_sandbox.errors import LockedDown
from terok_util import TerokError, UsageError

from .conftest import PlainEngine, make_project
from .test_tasks import finished, in_child, other_tasks, resumable, run

__all__ = ["resumable"]


def at_step(engine: PlainEngine, wanted: str, act: Callable[[], object]) -> None:
    """Do something once, just before the engine does its next step of this name."""

    def before(step: str) -> None:
        if step == wanted:
            engine.before = lambda step: None
            act()

    engine.before = before


def another(engine: PlainEngine) -> Tasks:
    service = Tasks()
    service._engines["local"] = engine
    return service


def refuse(step: str) -> None:
    raise TaskError(f"no {step}")


@pytest.mark.usefixtures("resumable")
def test_the_end_of_an_old_run_is_not_that_of_the_new_one(tasks: Tasks, engine: PlainEngine) -> None:
    old = run(tasks)
    engine.end(old.container)
    tasks.record_exit(tasks.store.task(old.id), 0)
    tasks.follow_up(old, "more")
    assert tasks.deliver_next(old)
    assert not tasks.record_exit(old, 7)
    now = tasks.store.task(old.id)
    assert (now.ended, now.process, now.word) == (None, "up", "working")


def test_the_time_of_a_run_begins_with_that_run(tasks: Tasks, engine: PlainEngine) -> None:
    task = run(tasks, overrides={"run.timeout": 100})
    tasks.follow(task, lambda line: None)
    assert 200 < engine.time_left <= 280


def test_a_deletion_that_was_taken_back_is_not_done_again(tasks: Tasks, engine: PlainEngine) -> None:
    task = finished(tasks)
    assert in_child(lambda: other_tasks(engine, 1).delete(task)) == 9
    tasks.delete(task)
    tasks.operations.undo()
    tasks.restart(tasks.store.task(task.id))
    assert tasks.operations.finish() == []
    assert tasks.store.task(task.id).desired == "running"
    tasks.delete(tasks.store.task(task.id))
    first, *_ = sorted(tasks.operations.log(), key=lambda one: one.id)
    tasks.operations.expire(first.expires or 0.0)
    assert tasks.find(task.id, trashed=True)


def test_who_starts_a_task_takes_a_cut_off_deletion_back(tasks: Tasks, engine: PlainEngine) -> None:
    task = finished(tasks)
    with tasks.store.write() as writer:  # killed between the record and the first step
        writer.record_operation("task delete", task.id, "x", {"kind": "task.delete", "task": task.id})
    tasks.restart(task)
    assert tasks.operations.finish() == []
    assert (tasks.store.task(task.id).desired, tasks.operations.log()[0].state) == ("running", "undone")
    with tasks.store.write() as writer:
        writer.record_operation("task delete", task.id, "x", {"kind": "task.delete", "task": task.id})
    assert tasks.restore(task).verb == "task delete"
    assert tasks.operations.finish() == []
    assert tasks.store.task(task.id).trashed is None


def test_undo_and_deletion_exclude_each_other(tasks: Tasks, engine: PlainEngine) -> None:
    task = finished(tasks)

    def undo() -> None:
        with pytest.raises(TaskBusy):
            another(engine).operations.undo()

    at_step(engine, "save_output", undo)
    tasks.delete(task)
    tasks.restore(tasks.find(task.id, trashed=True))
    assert tasks.directory(task).exists()


@pytest.mark.parametrize("step", ["probe", "save_output", "hand_over"])
def test_nothing_starts_what_is_being_deleted(tasks: Tasks, engine: PlainEngine, step: str) -> None:
    task = finished(tasks)

    def restart() -> None:
        with pytest.raises(UsageError, match="is deleted"):
            another(engine).restart(tasks.store.task(task.id))

    at_step(engine, step, restart)
    tasks.delete(task)
    assert engine.probe({"x": task.container})["x"].word == "exited"


def test_a_restart_that_fails_behind_podman_s_back_is_stopped(tasks: Tasks, engine: PlainEngine) -> None:
    task = finished(tasks)
    restart = engine.restart

    def late(container: str, prompt: str | None = None) -> None:
        restart(container, prompt)
        raise TaskError("podman did not answer in time")

    engine.restart = late  # type: ignore[method-assign]
    with pytest.raises(TaskError):
        tasks.restart(task)
    now = tasks.store.task(task.id)
    assert (now.word, now.process, engine.probe({"x": task.container})["x"].word) == ("failed", "exited", "exited")


@pytest.mark.usefixtures("resumable")
def test_a_follow_up_that_arrived_is_not_given_again(
    tasks: Tasks, engine: PlainEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = finished(tasks)
    tasks.follow_up(task, "more")
    monkeypatch.setattr(Tasks, "_run_started_hooks", lambda self, task, project: refuse("hook"))
    with pytest.raises(TaskError):
        tasks.deliver_next(task)
    assert (engine.asked[-1][1], tasks.waiting(task)) == ("more", [])


def test_archiving_keeps_a_container_whose_output_is_not_saved(tasks: Tasks, engine: PlainEngine) -> None:
    task = finished(tasks)
    engine.save_output = lambda container, target: False  # type: ignore[method-assign]
    with pytest.raises(TaskError, match="could not be saved"):
        tasks.archive(task)
    now = tasks.store.task(task.id)
    assert (now.desired, engine.probe({"x": task.container})["x"].word) == ("stopped", "exited")
    assert tasks.operations.log()[0].state == "undone"


def test_a_gate_that_cannot_be_read_hides_no_review(
    tasks: Tasks, engine: PlainEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = run(tasks)
    with tasks.store.write() as writer:
        writer.observe(task.id, pushed=Pushed(time.time(), "gate", "terok/x", "abc", 1))

    def locked(self: Gates, task: object) -> Work:
        raise GateError("the gate is locked")

    monkeypatch.setattr(Gates, "of_task", locked)
    tasks.record_exit(task, 0)
    assert tasks.store.task(task.id).word == "review"


@pytest.mark.parametrize("branch", ["x\udcff", "x\x9b31m\u202e"])
def test_a_branch_s_name_does_no_harm(tasks: Tasks, branch: str, monkeypatch: pytest.MonkeyPatch) -> None:
    work: Any = type("NewWork", (), {"branch": branch, "tip": "abc", "commits": 1, "state": "new"})
    monkeypatch.setattr(Gates, "of_task", lambda self, task: Work("web", branch, "", work))
    task = run(tasks)
    assert tasks.record_exit(task, 0)
    assert tasks.store.task(task.id).reason.isprintable()


def test_what_failed_is_not_done_later(tasks: Tasks, engine: PlainEngine, monkeypatch: pytest.MonkeyPatch) -> None:
    task = run(tasks)
    engine.silent = True
    with pytest.raises(TaskError):
        tasks.delete(task)
    engine.silent = False
    monkeypatch.setattr(Decisions, "decide", lambda self, scope, branch, note: refuse("branch"))
    monkeypatch.setattr(Decisions, "withdraw", lambda self, scope, branch: None)
    with pytest.raises(TaskError):
        Reviews(tasks).reject(Work("web", "terok/x", "", None), "bad")
    assert {one.state for one in tasks.operations.log()} == {"undone"}
    assert tasks.operations.finish() == []
    now = tasks.store.task(task.id)
    assert (now.trashed, now.desired, now.process) == (None, "running", "up")


def test_one_operation_that_cannot_expire_keeps_no_other(tasks: Tasks) -> None:
    one, two = finished(tasks), finished(tasks)
    tasks.delete(one)
    tasks.delete(two)
    (tasks.trash(two) / ".terok-task.json").unlink()
    tasks.operations.expire(time.time() + 1e8)
    assert (tasks.trash(one).exists(), tasks.trash(two).exists()) == (False, True)


def test_hooks_run_around_a_task(root: Path, tasks: Tasks) -> None:
    log = root / "log"
    points = ("pre_start", "post_start", "post_ready", "post_stop")
    make_project(root, "hooked", f"hooks: {{{', '.join(f'{point}: echo $TEROK_HOOK >> {log}' for point in points)}}}\n")
    task = tasks.carry_out_start(tasks.create("hooked", "x")[0])
    tasks.follow(task, lambda line: None)
    assert log.read_text().split() == list(points)
    tasks.delete(tasks.store.task(task.id))
    assert (tasks.trash(task) / "hooks").exists()


def test_a_hook_that_fails_stops_the_start_and_leaves_what_can_be_removed(root: Path, tasks: Tasks) -> None:
    make_project(root, "hooked", "hooks: {pre_start: 'false'}\n")
    task, _ = tasks.create("hooked", "x")
    with pytest.raises(TerokError, match="pre_start"):
        tasks.carry_out_start(task)
    tasks.delete(tasks.store.task(task.id))
    tasks.operations.expire(time.time() + 1e8)
    assert not (tasks.directory(task).exists() or tasks.trash(task).exists())


def test_a_task_that_is_stopped_while_it_starts_does_not_run(tasks: Tasks, engine: PlainEngine) -> None:
    task, _ = tasks.create("web", "x")
    at_step(engine, "start", lambda: another(engine).stop(tasks.store.task(task.id)))
    with pytest.raises(TaskBusy, match="was stopped while it started"):
        tasks.carry_out_start(task)
    now = tasks.store.task(task.id)
    assert (now.word, now.desired, engine.probe({"x": task.container})["x"].word) == ("stopped", "stopped", "exited")


def test_nothing_starts_in_a_panic(tasks: Tasks, engine: PlainEngine) -> None:
    task = finished(tasks)
    lock_down(SandboxConfig.load().state_dir)
    with pytest.raises(LockedDown, match="after a panic"):
        tasks.restart(task)
    assert tasks.create("web", "x")[1] is False


@pytest.mark.usefixtures("resumable")
def test_a_follow_up_takes_a_slot_and_waits_for_one(root: Path, tasks: Tasks, engine: PlainEngine) -> None:
    (root / "config/config.yml").write_text("tasks: {slots: 1}\n")
    task = finished(tasks)
    with tasks.store.write() as writer:
        writer.observe(task.id, pushed=Pushed(time.time(), "gate", "terok/x", "abc", 1))
    tasks.follow_up(task, "more")
    assert tasks.deliver_next(task)
    other, ours = tasks.create("web", "x")
    assert not ours
    tasks.follow(tasks.store.task(task.id), lambda line: None)
    tasks.start(other.id)
    tasks.follow_up(task, "again")
    assert tasks.deliver_next(task) is None
    assert len(tasks.waiting(task)) == 1


def test_a_prompt_that_is_no_text_is_refused(tasks: Tasks) -> None:
    with pytest.raises(UsageError, match="not UTF-8"):
        tasks.create("web", "x\udcff")
    with pytest.raises(UsageError, match="not UTF-8"):
        tasks.follow_up(run(tasks), "x\udcff")


def begun_with(tasks: Tasks, task: Task) -> int:
    return sum(event.kind == "starting" for event in tasks.store.events_after(0, task=task.id))


def meanwhile(engine: PlainEngine, act: Callable[[], object]) -> None:
    """Do something once, when the engine has found its next answer and nobody has heard it yet."""
    probe = engine.probe

    def slow(containers: Mapping[str, str]) -> Any:
        engine.probe = probe  # type: ignore[method-assign]
        answer = probe(containers)
        act()
        return answer

    engine.probe = slow  # type: ignore[method-assign]


@pytest.mark.usefixtures("resumable")
def test_an_answer_from_before_another_s_start_starts_nothing(tasks: Tasks, engine: PlainEngine) -> None:
    task = finished(tasks)
    for text in ("one", "two"):
        tasks.follow_up(task, text)
    meanwhile(engine, lambda: in_child(lambda: another(PlainEngine(engine.place)).deliver_next(task)))
    with pytest.raises(TaskBusy, match="started meanwhile"):
        tasks.restart(task, "two")
    assert (begun_with(tasks, task), [one.text for one in tasks.waiting(task)]) == (2, ["two"])


def test_two_threads_of_one_program_exclude_each_other_too(tasks: Tasks, engine: PlainEngine) -> None:
    task = finished(tasks)

    def again() -> None:
        for verb in ("restart", "delete"):
            with pytest.raises(TaskBusy, match="at work"):
                getattr(another(engine), verb)(tasks.store.task(task.id))

    at_step(engine, "restart", again)
    assert tasks.restart(task).word == "working"
    assert begun_with(tasks, task) == 2


@pytest.mark.usefixtures("resumable")
def test_a_follow_up_never_overtakes_one_that_waits_again(tasks: Tasks, engine: PlainEngine) -> None:
    task = finished(tasks)
    first, second = tasks.follow_up(task, "one"), tasks.follow_up(task, "two")
    with pytest.raises(TaskBusy, match=f"follow-up {second}"):
        tasks.restart(task, "two", follow_up=second)
    assert (begun_with(tasks, task), [one.id for one in tasks.waiting(task)]) == (1, [first, second])


def test_a_task_comes_back_with_the_project_that_was_deleted_after_it(
    root: Path, tasks: Tasks, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = finished(tasks)
    said: list[str] = []
    monkeypatch.setattr(tasks, "say", said.append)
    tasks.delete(task)
    Projects().delete(tasks, "web")
    tasks.restore(tasks.find(task.id, trashed=True))
    assert "project web was deleted too, and is back" in said[-1]
    assert tasks.restart(tasks.store.task(task.id)).word == "working"
    tasks.follow(tasks.store.task(task.id), lambda line: None)
    tasks.delete(tasks.store.task(task.id))
    shutil.rmtree(root / "config/projects/web")
    tasks.restore(tasks.find(task.id, trashed=True))
    assert f"the work is in {tasks.directory(task)}" in said[-1]


@pytest.mark.parametrize(("raised", "word"), [(KeyboardInterrupt, "stopped"), (SystemExit, "working")])
def test_a_wait_for_post_ready_that_is_broken_off_is_no_end_by_itself(
    root: Path, tasks: Tasks, engine: PlainEngine, raised: type[BaseException], word: str
) -> None:
    make_project(root, "hooked", f"hooks: {{post_ready: 'touch {root}/ready', post_stop: 'touch {root}/stopped'}}\n")

    def broken_off(step: str) -> None:
        if step == "wait":
            raise raised

    engine.before = broken_off
    task, _ = tasks.create("hooked", "x")
    with pytest.raises(raised):
        tasks.carry_out_start(task)
    after = tasks.store.task(task.id)
    assert (after.word, after.stopped_by) == (word, "a person" if word == "stopped" else "")
    assert ((root / "ready").exists(), (root / "stopped").exists()) == (False, word == "stopped")


def test_a_clock_that_was_set_back_makes_no_run_longer_and_hides_no_start(
    tasks: Tasks, engine: PlainEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    task = run(tasks, overrides={"run.timeout": 100})
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 9000)
    tasks.follow(task, lambda line: None)
    assert engine.time_left == 280
    after = tasks.store.task(task.id)
    assert (after.word, after.process, after.exit_code) == ("done", "exited", 0)
    assert in_child(lambda: other_tasks(engine, 1).restart(after)) == 9
    engine._put(task.container, "up")  # killed between Podman's answer and the record of it
    monkeypatch.setattr(time, "time", lambda: now - 18000)
    tasks.recover()
    assert (tasks.store.task(task.id).word, tasks.store.task(task.id).process) == ("working", "up")


def test_no_stop_and_no_archiving_takes_a_deleted_task_out_of_the_trash(tasks: Tasks, engine: PlainEngine) -> None:
    task = finished(tasks)
    at_step(engine, "save_output", lambda: refused(lambda: another(engine).stop(task)))
    tasks.delete(task)
    refused(lambda: tasks.archive(task))
    with tasks.store.write() as writer:  # killed between the record and the first step
        writer.record_operation("task archive", task.id, "x", {"kind": "task.archive", "task": task.id})
    assert tasks.operations.finish() == []
    assert [one.state for one in tasks.operations.log()] == ["undone", "undone", "done"]
    tasks.restore(tasks.find(task.id, trashed=True))
    assert tasks.directory(task).exists()


def refused(act: Callable[[], object]) -> None:
    with pytest.raises(UsageError, match="is deleted"):
        act()
