"""A feed over its socket: snapshot and events, a slow reader, a worker that is killed, a container that ends."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest
from terok_sandbox import unix_sockets
from terok_sandbox.activity.client import ActivityFeed, read_snapshot
from terok_sandbox.activity.feed import BURST, Feed, serve_feed
from terok_sandbox.activity.state import Activity
from terok_sandbox.shield.control import MAX_EVENTS, MAX_SUBSCRIBERS
from terok_sandbox.shield.control_client import ask
from terok_sandbox.shield.protocol import encode
from terok_sandbox.values.facts import Fact, Life, Worker

RUNNING = Life(at=1.0, state="running")


def fact(number: int) -> Worker:
    return Worker(at=float(number), name=str(number % 50), state="up", restarts=number)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "box" / "activity" / "broker.sock"


@pytest.fixture
def listener(path: Path) -> Iterator[socket.socket]:
    """Listen as the supervisor does: the socket outlives who serves it."""
    path.parent.mkdir(parents=True)
    with unix_sockets.listen(path, kind=socket.SOCK_STREAM) as held:
        yield held


@asynccontextmanager
async def serving(feed: Feed, listener: socket.socket) -> AsyncIterator[None]:
    task = asyncio.create_task(serve_feed(feed, listener.dup()))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


def following(path: Path, facts: list[Fact] | None = None) -> ActivityFeed:
    host = [RUNNING] if facts is None else facts
    return ActivityFeed("box", {"broker": path}, lambda: list(host))


async def until(feed: ActivityFeed, holds: Callable[[Activity], object]) -> Activity:
    async with asyncio.timeout(20):
        async for now in feed:
            if holds(now):
                return now
    raise AssertionError(feed.now)


async def test_a_snapshot_and_then_what_happens(path: Path, listener: socket.socket) -> None:
    told = Feed()
    for number in range(60):
        told.tell(fact(number))
    async with serving(told, listener), following(path) as feed:
        assert not feed.now.unheard and feed.now.workers["9"].restarts == 59 and feed.now.life == RUNNING
        snapshots = aiter(feed)
        first = await anext(snapshots)
        assert set(first.news) == set(first.facts)
        told.tell(fact(60))
        later = await anext(snapshots)
        assert later.news == (fact(60),) and later.workers["10"].restarts == 60
        assert read_snapshot(await asyncio.to_thread(ask, path, "activity")) == later.parts["broker"]
        once = await asyncio.to_thread(following(path).read)
        assert once.parts == later.parts and not once.unheard


async def test_a_slow_reader_is_told_that_it_lost_lines_and_asks_again(
    path: Path, listener: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("terok_sandbox.activity.feed.BURST", 10_000.0)
    told = Feed()
    async with serving(told, listener):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(encode("activity", follow=True))
        assert json.loads(await reader.readline())["facts"] == []
        for number in range(4 * MAX_EVENTS):
            told.tell(fact(number))  # without a turn of the loop: nobody reads
        lost = json.loads(await reader.readline())
        assert (lost["type"], lost["count"]) == ("lost", 3 * MAX_EVENTS)
        writer.write(encode("activity", follow=True))
        seen = {}
        while (line := json.loads(await reader.readline()))["type"] == "fact":
            seen[line["seq"]] = line["restarts"]
        assert seen == {number + 1: number for number in range(3 * MAX_EVENTS, 4 * MAX_EVENTS)}, "the newest are kept"
        assert read_snapshot(line) == read_snapshot(await asyncio.to_thread(ask, path, "activity"))
        writer.close()
        await same_in_the_end(told, path, 3 * MAX_EVENTS)


async def test_of_a_flood_a_reader_hears_that_there_was_one_and_has_the_sum(
    path: Path, listener: socket.socket
) -> None:
    told = Feed()
    async with serving(told, listener):
        reader, writer = await asyncio.open_unix_connection(str(path))
        writer.write(encode("activity", follow=True))
        await reader.readline()
        for number in range(5000):
            told.tell(fact(number))
            await asyncio.sleep(0)  # whoever reads could keep up
        heard = lines = 0
        while heard < 5000:
            line = json.loads(await reader.readline())
            heard += line["count"] if line["type"] == "lost" else 1
            lines += 1
        assert BURST < lines < 2 * BURST
        writer.close()
        await same_in_the_end(told, path, 400)


async def same_in_the_end(told: Feed, path: Path, count: int) -> None:
    async with following(path) as feed:
        for number in range(count):
            told.tell(replace(fact(number), name=f"another {number}"))
        whole = read_snapshot(await asyncio.to_thread(ask, path, "activity"))
        await until(feed, lambda now: now.parts["broker"] == whole)


async def test_while_nothing_happens_nobody_has_a_timer(path: Path, listener: socket.socket) -> None:
    """Without one, an event loop sleeps in its selector until somebody says something."""
    told, loop = Feed(), asyncio.get_running_loop()
    async with serving(told, listener), following(path) as feed:
        snapshots = aiter(feed)
        await anext(snapshots)
        for _ in range(5):
            await asyncio.sleep(0)
        assert [timer for timer in loop._scheduled if not timer.cancelled()] == []  # type: ignore[attr-defined]
        assert feed.now.facts == (RUNNING,)


async def test_a_container_that_has_ended_ends_the_feed(path: Path, listener: socket.socket) -> None:
    told, host = Feed(), [RUNNING]
    async with serving(told, listener):
        feed = ActivityFeed("box", {"broker": path}, lambda: list(host))
        await feed.__aenter__()
    host[:] = [Life(at=2.0, state="ended", exit_code=7)]
    listener.close()
    path.unlink()
    async with asyncio.timeout(20):
        seen = [now async for now in feed]
    assert seen[-1].life == host[0] and host[0] in seen[-1].news
    assert [now async for now in feed][1:] == []
    await feed.__aexit__()
    async with following(path, host) as over:
        assert [now.life async for now in over] == [host[0]]


async def test_a_supervisor_that_is_gone_is_doubt_until_it_is_back(path: Path, listener: socket.socket) -> None:
    host: list[Fact] = [RUNNING]
    told = Feed()
    told.tell(fact(1))
    feed = ActivityFeed("box", {"broker": path}, lambda: list(host))
    async with serving(told, listener):
        await feed.__aenter__()
    host[:] = [Life(at=2.0, state="unsupervised")]
    listener.close()
    now = await until(feed, lambda now: now.unheard and now.life == host[0])
    assert now.workers["1"].restarts == 1, "what was told last still stands, with its age"
    with unix_sockets.listen(path, kind=socket.SOCK_STREAM) as again:
        later = Feed()
        later.tell(fact(51))
        host[:] = [RUNNING]
        async with serving(later, again):
            now = await until(feed, lambda now: not now.unheard and now.life == RUNNING)
            assert now.workers["1"].restarts == 51 and set(now.workers) == {"1"}
    await feed.__aexit__()


async def test_a_killed_worker_is_followed_by_the_next_behind_the_same_listener(
    path: Path, listener: socket.socket
) -> None:
    def worker(number: int) -> int:
        child = os.fork()
        if child:
            return child
        told = Feed()
        told.tell(fact(number))
        asyncio.run(serve_feed(told, listener.dup()))
        os._exit(0)

    child = worker(1)
    async with following(path) as feed:
        await until(feed, lambda now: now.workers["1"].restarts == 1 and not now.unheard)
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
        await until(feed, lambda now: now.unheard)
        child = worker(51)
        now = await until(feed, lambda now: now.workers["1"].restarts == 51)
        assert not now.unheard
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)


async def test_readers_are_limited_and_strange_lines_end_nothing(path: Path, listener: socket.socket) -> None:
    told = Feed()
    async with serving(told, listener):
        many = []
        for _ in range(MAX_SUBSCRIBERS + 1):
            reader, writer = await asyncio.open_unix_connection(str(path))
            writer.write(encode("activity", follow=True))
            many.append((json.loads(await reader.readline()), writer))
        assert [line["type"] for line, _ in many] == ["ok"] * MAX_SUBSCRIBERS + ["error"]
        for _, writer in many:
            writer.close()
    with unix_sockets.listen(path, kind=socket.SOCK_STREAM) as other:
        other.setblocking(True)
        feed = following(path)

        def answer() -> None:
            snapshot = b'{"v":1,"type":"ok","run":"r","facts":[{"seq":1,%b}]}\n'
            for line in (b"{}\n", snapshot % b'"kind":"worker","at":"x"', snapshot % b'"kind":"of a later version"'):
                connection, _ = other.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(line)

        answering = asyncio.create_task(asyncio.to_thread(answer))
        async with feed:
            await until(feed, lambda now: "broker" in now.parts)
            assert dict(feed.now.parts["broker"].entries) == {}
        await answering
