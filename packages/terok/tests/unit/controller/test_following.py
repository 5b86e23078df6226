"""What a follower records: news only, of its own run, and doubt when a worker stays away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from terok.controller import following
from terok.controller.following import Follower
from terok.integrations.sandbox import Activity
from terok.model.facts import Process, Silence
from terok.model.money import NEARLY
from terok.model.task import Task
from terok.store import Store
from terok_sandbox import BudgetFact, Inside, Life, ModelCall, Push, UsageFact
from terok_sandbox.activity.state import Part

TASK = "a3bcdefg"


class Feed:
    """A feed whose snapshots the test gives."""

    def __init__(self) -> None:
        self.snapshots: asyncio.Queue[Activity | None] = asyncio.Queue()

    def activity(self, name: str) -> Feed:
        return self

    async def __aenter__(self) -> Feed:
        return self

    async def __aexit__(self, *_: object) -> None: ...

    async def __aiter__(self) -> AsyncIterator[Activity]:
        while (snapshot := await self.snapshots.get()) is not None:
            yield snapshot


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store(tmp_path / "state" / "terok.db") as store:
        with store.write() as writer:
            writer.add_task(Task(TASK, "web", "n", "demo", "interactive", writer.at), {})
            writer.begin(TASK, "c")
        yield store


def snapshot(at: float, *facts: object, unheard: tuple[str, ...] = ()) -> Activity:
    part = Part("run")
    for number, fact in enumerate((Life(at=at, state="running", pid=7), *facts), 1):
        part = part.add(number, fact)
    return Activity("c", {"host": part}, frozenset(unheard))


async def test_it_records_what_is_not_recorded_and_asks_about_pushes(store: Store) -> None:
    feed, pushes = Feed(), []
    task = store.task(TASK)
    at = task.started
    assert at is not None
    follower = Follower(store, feed, task, lambda: pushes.append(1))
    running = asyncio.create_task(follower.run())
    push = Push(at=at + 1, ref=Inside("refs/heads/x"), state="landed", commit="abc")
    usage = UsageFact(at=at + 1, requests=1, tokens=5, bytes=9, cost_usd=0.5, cost_known=True)
    call = ModelCall(at=at + 1, id="1", state="begun", provider="acme", began=at + 1)
    for _ in range(2):
        await feed.snapshots.put(snapshot(at, push, usage, call))
    await until(lambda: feed.snapshots.empty() and store.task(TASK).word == "working")
    seq = store.last_seq()
    assert (pushes, store.task(TASK).cost, follower.pid) == ([1], 0.5, 7)
    with store.write() as writer:  # another process asks Podman in vain
        writer.observe(TASK, silence=Silence(writer.at, "podman", "no answer"))
    await feed.snapshots.put(snapshot(at, push, usage, call))
    await until(lambda: store.facts(TASK).silence is None)
    assert [event.kind for event in store.events_after(seq)] == []
    with store.write() as writer:
        writer.end(TASK, 0)
    with store.write() as writer:
        writer.begin(TASK, "c")
        writer.observe(TASK, process=Process(writer.at, "podman", "up"))
    await feed.snapshots.put(Activity("c", {"host": Part("run").add(1, Life(at=at, state="ended", exit_code=1))}))
    await feed.snapshots.put(None)
    await running
    assert store.task(TASK).process == "up", "the end of the run before says nothing about this one"


async def test_a_worker_that_stays_away_is_doubt_one_that_comes_back_is_not(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(following, "UNHEARD", 0.2)
    feed = Feed()
    task = store.task(TASK)
    assert task.started is not None
    running = asyncio.create_task(Follower(store, feed, task, lambda: None).run())
    await feed.snapshots.put(snapshot(task.started, unheard=("broker",)))
    await feed.snapshots.put(snapshot(task.started))
    await until(lambda: store.task(TASK).word == "waiting")
    await feed.snapshots.put(snapshot(task.started, unheard=("broker",)))
    await until(lambda: store.task(TASK).word == "unknown")
    assert store.task(TASK).reason == "broker does not answer"
    await feed.snapshots.put(snapshot(task.started))
    await until(lambda: store.task(TASK).word == "waiting")
    running.cancel()


async def test_a_budget_that_is_nearly_used_is_told_once(store: Store) -> None:
    with store.write() as writer:
        writer.add_task(Task("b3bcdefg", "web", "m", "demo", "interactive", writer.at), {})
        writer.begin("b3bcdefg", "d")

    def near(whose: str, most: float = 5.0, at: float = 1000.0, state: str = "near") -> BudgetFact:
        return BudgetFact(at=at, whose=whose, limit="cost_usd", used=4.1, most=most, state=state)  # type: ignore[arg-type]

    def told() -> list[tuple[str, str, float]]:
        found = store.events_after(0, kind=NEARLY)
        return [(event.task, event.data["whose"], event.data["most"]) for event in found]

    for _ in range(2):  # also of a controller after this one
        followers = [Follower(store, Feed(), store.task(task), lambda: None) for task in (TASK, "b3bcdefg")]
        for follower in followers * 2:
            facts = (near("task"), near("project"), near("day"), near("day", state="holds"))
            follower._take(snapshot(1.0, *facts[:3]))
            follower._take(snapshot(1.0, facts[3]))
    expected = [(TASK, "task", 5.0), (TASK, "project", 5.0), (TASK, "day", 5.0), ("b3bcdefg", "task", 5.0)]
    assert told() == expected
    followers[1]._take(snapshot(1.0, near("project", 9.0), near("day", at=1000.0 + 86_400)))
    assert told() == [*expected, ("b3bcdefg", "project", 9.0), ("b3bcdefg", "day", 5.0)], "raised, and the next day"
    with store.write() as writer:
        writer.forget_task("b3bcdefg")
    assert store.setting(f"nearly/task/{TASK}/cost_usd") and not store.setting("nearly/task/b3bcdefg/cost_usd")


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.01)
