from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from terok.errors import TaskBusy, TaskError, UnknownProject
from terok.model.task import Task
from terok.services import Tasks
from terok.store import Lease
from terok_util import TerokError, UsageError

from .conftest import PlainEngine, make_project


def run(tasks: Tasks, prompt: str | None = "Do it", **options: Any) -> Task:
    task, ours = tasks.create("web", prompt, **options)
    assert ours
    return tasks.carry_out_start(task)


def names(tasks: Tasks) -> set[str]:
    return {one.name for one in tasks.store.tasks()}


def test_a_headless_task_from_prompt_to_end(tasks: Tasks, engine: PlainEngine) -> None:
    task = run(tasks, name="first")
    assert (task.word, task.mode, task.name_by_user) == ("working", "headless", True)
    assert engine.asked == [(f"terok-web-{task.id}", "Do it")]
    said: list[str] = []
    assert tasks.follow(task, said.append) == 0
    after = tasks.store.task(task.id)
    assert (said, after.word, after.exit_code, after.cost, after.process) == (["said"], "done", 0, 0.25, "exited")
    assert not tasks.record_exit(task, 7), "an end is recorded once"
    assert tasks.store.task(task.id).exit_code == 0


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"prompt": "  "}, "needs a prompt"),
        ({"prompt": "x", "mode": "web"}, "means nothing"),
        ({"prompt": "x", "name": "../up"}, "invalid task name"),
        ({"prompt": "x", "name": "taken"}, "has a task named"),
        ({"prompt": "x", "overrides": {"agent.name": "nobody"}}, "no agent 'nobody'"),
        ({"prompt": "x", "after": ["nothing"]}, "no task nothing"),
    ],
)
def test_a_wrong_request_leaves_nothing(tasks: Tasks, options: dict[str, Any], problem: str) -> None:
    run(tasks, name="taken")
    with pytest.raises(UsageError, match=problem):
        tasks.create("web", **options)
    assert names(tasks) == {"taken"}
    with pytest.raises(UnknownProject):
        tasks.create("wbe", "x")


def test_provider_may_name_another_agent(tasks: Tasks) -> None:
    assert run(tasks, overrides={"agent.provider": "opencode"}).agent == "opencode"


def test_the_last_slot_is_taken_once(root: Path, tasks: Tasks) -> None:
    (root / "config/config.yml").write_text("tasks: {slots: 3}\n")

    def create(_: int) -> bool:
        with Tasks() as other:
            return other.create("web", "x")[1]

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(create, range(8))) == 3
    assert sorted(one.word for one in tasks.store.tasks()) == ["queued"] * 5 + ["working"] * 3
    queued = next(one for one in tasks.store.tasks() if one.word == "queued")
    assert "waits for a slot" in queued.reason
    tasks.stop(queued)
    assert (tasks.store.task(queued.id).word, len(tasks.store.queue())) == ("stopped", 4)


def test_a_task_waits_for_another(tasks: Tasks, engine: PlainEngine) -> None:
    first = run(tasks)
    second, ours = tasks.create("web", "then", after=[first.id])
    assert (ours, second.word) == (False, "queued")
    assert first.id in second.reason


def test_a_start_that_fails_is_told_and_not_tried_again(tasks: Tasks, engine: PlainEngine) -> None:
    def refuse(step: str) -> None:
        if step == "start":
            raise TaskError("no such image")

    engine.before = refuse
    task, _ = tasks.create("web", "x")
    with pytest.raises(TaskError):
        tasks.carry_out_start(task)
    after = tasks.store.task(task.id)
    assert (after.word, after.desired, tasks.store.lease(task.id)) == ("failed", "stopped", None)
    told = [one for one in tasks.store.events_after(0, task=task.id) if one.kind == "start_failed"]
    assert told[0].data["error"] == "no such image"
    engine.before = lambda step: None
    assert tasks.restart(after).word == "working"


def test_ctrl_c_in_a_start_and_while_following_stops_the_task(tasks: Tasks, engine: PlainEngine) -> None:
    def interrupt(step: str) -> None:
        if step == "start":
            raise KeyboardInterrupt

    engine.before = interrupt
    task, _ = tasks.create("web", "x")
    with pytest.raises(KeyboardInterrupt):
        tasks.carry_out_start(task)
    assert tasks.store.task(task.id).word == "stopped"
    engine.before = lambda step: None
    task = run(tasks)

    def interrupted(line: str) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tasks.follow(task, interrupted)
    after = tasks.store.task(task.id)
    assert (after.word, after.desired, after.stopped_by) == ("stopped", "stopped", "a person")


def test_nobody_acts_on_a_task_that_another_process_starts(tasks: Tasks) -> None:
    task, _ = tasks.create("web", "x")
    with tasks.store.write() as writer:
        writer.drop_lease(task.id)
        assert writer.take_lease(task.id, lease_of_init())
    with pytest.raises(TaskBusy):
        tasks.start(task.id)
    task = tasks.store.task(task.id)
    with tasks.store.write() as writer:
        writer.drop_lease(task.id)
    tasks.carry_out_start(task)
    with pytest.raises(TaskBusy, match="runs already"):
        tasks.restart(tasks.store.task(task.id))


def lease_of_init() -> Lease:
    """Return the lease of a process that lives and is not ours."""
    started = int(Path("/proc/1/stat").read_text().rpartition(")")[2].split()[19])
    return Lease(1, started, Path("/proc/sys/kernel/random/boot_id").read_text().strip())


def test_podman_that_does_not_answer_is_not_taken_for_an_end(tasks: Tasks, engine: PlainEngine) -> None:
    task = run(tasks)
    engine.silent = True
    for verb in (tasks.stop, tasks.restart, tasks.delete):
        with pytest.raises(TaskError, match="does not answer"):
            verb(task)
    after = tasks.store.task(task.id)
    assert (after.ended, after.trashed, tasks.directory(task).exists()) == (None, None, True)


def test_a_container_removed_by_hand_takes_nothing_with_it(tasks: Tasks, engine: PlainEngine) -> None:
    task = run(tasks)
    tasks.follow(task, lambda line: None)
    engine.remove(task.container)
    again = tasks.restart(tasks.store.task(task.id))
    assert again.word == "working"
    assert (tasks.directory(task) / "workspace/work").read_bytes() == b"\0work"


def test_rename_and_addresses(root: Path, tasks: Tasks) -> None:
    make_project(root, "other")
    one, two = run(tasks, name="one"), tasks.carry_out_start(tasks.create("other", "x", name="one")[0])
    assert tasks.find(["other", "one"]).id == two.id
    assert tasks.find("web/one").id == one.id
    with pytest.raises(UsageError, match="fits 2 tasks"):
        tasks.find("one")
    tasks.rename(one, "renamed")
    assert tasks.find("renamed").id == one.id
    assert [task.id for task in tasks.choose(["renamed", two.id])[0]] == [one.id, two.id]
    assert tasks.choose(["other", "one"]) == ([tasks.store.task(two.id)], False)
    chosen, by_filter = tasks.choose(["p:web", "s:working"])
    assert ([task.id for task in chosen], by_filter) == ([one.id], True)
    with pytest.raises(UsageError, match="do not go together"):
        tasks.choose(["p:web", "renamed"])


def finished(tasks: Tasks) -> Task:
    task = run(tasks)
    tasks.follow(task, lambda line: None)
    return tasks.store.task(task.id)


@pytest.fixture
def resumable(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let every agent go on with its conversation."""
    monkeypatch.setattr(Tasks, "_taken_up", lambda self, task: "Go on.")


@pytest.mark.usefixtures("resumable")
def test_follow_ups_are_delivered_once_in_their_order(tasks: Tasks, engine: PlainEngine) -> None:
    task = run(tasks)
    numbers = [tasks.follow_up(task, text) for text in ("one", "two", "three")]
    assert tasks.deliver_next(task) is None, "it runs"
    assert len(tasks.waiting(task)) == 3
    tasks.edit(task, numbers[1], "second")
    tasks.take_back(task, numbers[2])
    tasks.follow(task, lambda line: None)

    def deliver(_: int) -> int | None:
        with Tasks() as other:
            other._engines["local"] = engine
            chosen = other.deliver_next(task)
            return chosen.id if chosen else None

    with ThreadPoolExecutor(4) as pool:
        assert [one for one in pool.map(deliver, range(4)) if one] == [numbers[0]]
    tasks.follow(task, lambda line: None)
    assert tasks.deliver_next(task)
    tasks.follow(task, lambda line: None)
    assert tasks.deliver_next(task) is None
    assert [prompt for _, prompt in engine.asked] == ["Do it", "one", "second"]
    for verb in (lambda: tasks.edit(task, numbers[0], "x"), lambda: tasks.take_back(task, numbers[0])):
        with pytest.raises(UsageError, match="has been delivered"):
            verb()


@pytest.mark.usefixtures("resumable")
def test_a_follow_up_that_could_not_start_waits_again(tasks: Tasks, engine: PlainEngine) -> None:
    task = finished(tasks)
    tasks.follow_up(task, "more")

    def refuse(step: str) -> None:
        if step == "restart":
            raise TaskError("no")

    engine.before = refuse
    with pytest.raises(TaskError):
        tasks.deliver_next(task)
    assert [one.text for one in tasks.waiting(task)] == ["more"]


def in_child(act: Callable[[], object]) -> int:
    """Run in a process of its own, which may end itself; returns its exit status."""
    pid = os.fork()
    if pid == 0:
        try:
            act()
        finally:
            os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def dying_at(number: int) -> Callable[[str], None]:
    """Return what ends its process as SIGKILL does, at the step of this number."""
    left = [number]

    def count(step: str) -> None:
        left[0] -= 1
        if left[0] < 0:
            os._exit(9)

    return count


def other_tasks(engine: PlainEngine, number: int) -> Tasks:
    service = Tasks()
    service._engines["local"] = PlainEngine(engine.place, dying_at(number))
    return service


@pytest.mark.usefixtures("resumable")
@pytest.mark.parametrize("step", range(2))
def test_a_follow_up_survives_a_kill_and_is_not_delivered_twice(tasks: Tasks, engine: PlainEngine, step: int) -> None:
    task = finished(tasks)
    tasks.follow_up(task, "more")
    assert in_child(lambda: other_tasks(engine, step).deliver_next(task)) == 9
    tasks.recover()
    after = tasks.store.task(task.id)
    assert (after.word, tasks.store.lease(task.id)) == ("failed" if step else "done", None)
    assert [one.text for one in tasks.waiting(task)] == ["more"]
    assert tasks.deliver_next(after)
    assert engine.asked[-1] == (task.container, "more")


def test_a_start_that_was_killed_is_settled(tasks: Tasks, engine: PlainEngine) -> None:
    task, _ = tasks.create("web", "x")
    with tasks.store.write() as writer:
        writer.drop_lease(task.id)
    assert in_child(lambda: other_tasks(engine, 1).start(task.id)) == 9
    tasks.recover()
    after = tasks.store.task(task.id)
    assert (after.word, after.started) == ("queued", None)
    in_child(lambda: other_tasks(engine, 0).create("web", "y", name="ran"))
    ran = tasks.find("ran")
    engine._put(ran.container, "up")  # killed between Podman's answer and the record of it
    tasks.recover()
    assert (tasks.store.task(ran.id).word, tasks.store.task(ran.id).process) == ("working", "up")


def test_every_error_of_a_verb_is_ours(tasks: Tasks) -> None:
    task = run(tasks)
    for verb in (lambda: tasks.archive(task), lambda: tasks.restore(task), lambda: tasks.send(task, "x")):
        with pytest.raises(TerokError):
            verb()
