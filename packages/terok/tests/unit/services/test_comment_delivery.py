"""Comments reach the agent with the next prompt, once, whenever whoever delivers them is killed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import pytest
from terok.model.anchors import Place, Quote
from terok.model.task import Task
from terok.services import Tasks
from terok.store import Store, Writer
from terok.store.reviewing import add_comment, comments, resolve_comment

from .conftest import PlainEngine
from .test_tasks import finished, in_child, resumable

__all__ = ["resumable"]
TEXTS = ("Why so?", "And here?")


class Recorded(PlainEngine):
    """An engine that keeps the prompts it was given in a file, which outlives a killed process."""

    def restart(self, container: str, prompt: str | None = None) -> None:
        super().restart(container, prompt)
        with (self.place / "prompts").open("a") as stream:
            stream.write(f"{prompt}\0")
        self.before("restarted")

    def prompts(self) -> list[str]:
        file = self.place / "prompts"
        return file.read_text().split("\0")[:-1] if file.exists() else []


@pytest.fixture
def engine(root: Path) -> Recorded:
    return Recorded(root / "engine")


def dying_at(step: int, patch: pytest.MonkeyPatch, engine: Recorded) -> None:
    """End this process as SIGKILL does, behind the transaction or before the act of the engine of this number."""
    left = count(step, -1)
    write = Store.write

    def tick(_: str = "") -> None:
        if next(left) == 0:
            os._exit(9)

    @contextmanager
    def counted(store: Store, at: float | None = None) -> Iterator[Writer]:
        with write(store, at) as writer:
            yield writer
        tick()

    engine.before = tick
    patch.setattr(Store, "write", counted)


def commented(tasks: Tasks, task: Task) -> list[int]:
    with tasks.store.write() as writer:
        place, quoted = Place("a.py", 2, 2), Quote(("x = 1",))
        return [
            add_comment(writer, task.id, "terok/x", "c" * 40, "b" * 40, place, quoted, text, author="me")
            for text in TEXTS
        ]


def delivered(engine: Recorded) -> list[int]:
    return [sum(text in prompt for prompt in engine.prompts()) for text in TEXTS]


@pytest.mark.usefixtures("resumable")
def test_a_kill_between_any_two_steps_neither_loses_nor_doubles_a_comment(
    tasks: Tasks, engine: Recorded, monkeypatch: pytest.MonkeyPatch
) -> None:
    killed = 0
    for step in count():
        task = finished(tasks)
        commented(tasks, task)
        tasks.follow_up(task, "Go on")
        (engine.place / "prompts").unlink(missing_ok=True)

        def deliver(step: int = step, task: Task = task) -> None:
            dying_at(step, monkeypatch, engine)
            with Tasks() as other:
                other._engines["local"] = engine
                other.deliver_next(task)

        status = in_child(deliver)
        killed += status == 9
        tasks.recover()
        for _ in tasks.waiting(task):
            tasks.deliver_next(tasks.store.task(task.id))
        tasks.follow(tasks.store.task(task.id), lambda line: None)
        assert delivered(engine) == [1, 1], f"killed at step {step}"
        assert {one.delivery for one in comments(tasks.store, task.id)} == {"answered"}
        if status == 0:
            break
    assert killed >= 4


@pytest.mark.usefixtures("resumable")
def test_what_was_settled_or_sent_is_not_sent(tasks: Tasks, engine: Recorded) -> None:
    task = finished(tasks)
    first, second = commented(tasks, task)
    tasks.follow_up(task, "One")

    def refuse(step: str) -> None:
        if step == "restart":
            raise OSError("no")

    engine.before = refuse
    with pytest.raises(OSError, match="no"):
        tasks.deliver_next(tasks.store.task(task.id))
    assert {one.delivery for one in comments(tasks.store, task.id)} == {"written"}
    engine.before = lambda step: None
    with tasks.store.write() as writer:
        assert resolve_comment(writer, task.id, first)
        assert not resolve_comment(writer, task.id, first)
    numbers = [one.id for one in tasks.waiting(task)]
    tasks.take_back(task, numbers[0])
    tasks.follow_up(task, "Two")
    assert tasks.deliver_next(tasks.store.task(task.id))
    (prompt,) = engine.prompts()
    assert prompt.startswith("Two\n\n")
    assert "x = 1" in prompt
    assert delivered(engine) == [0, 1]
    states = {one.id: one.delivery for one in comments(tasks.store, task.id)}
    assert states == {first: "written", second: "seen"}
    tasks.follow(tasks.store.task(task.id), lambda line: None)
    tasks.follow_up(task, "Three")
    tasks.deliver_next(tasks.store.task(task.id))
    assert engine.prompts()[1:] == ["Three"]
