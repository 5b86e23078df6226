"""Reports from inside a container become claims: as they come, once, whatever the container does to their file."""

from __future__ import annotations

import asyncio
import json
import os
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from terok.controller import reports as reports_module
from terok.controller.inotify import Watcher
from terok.controller.reports import Reports
from terok.integrations.executor import ReportBatch, read_reports
from terok.model.facts import Process
from terok.model.task import Task
from terok.store import Store

TASK = "a3bcdefg"


@pytest.fixture
def store(tmp_path: Path) -> Store:
    store = Store(tmp_path / "state" / "terok.db")
    with store.write() as writer:
        writer.add_task(Task(TASK, "web", "n", "demo", "interactive", writer.at), {})
        writer.begin(TASK, "c")
        writer.observe(TASK, process=Process(writer.at, "podman", "up"))
    return store


@pytest.fixture
async def watcher() -> AsyncIterator[Watcher]:
    watcher, loop = Watcher(), asyncio.get_running_loop()
    loop.add_reader(watcher, watcher.tell)
    yield watcher
    loop.remove_reader(watcher)
    watcher.close()


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path


def report(directory: Path, kind: str, **fields: object) -> None:
    with (directory / "home/reports.jsonl").open("a") as file:
        file.write(json.dumps({"kind": kind, "at": time.time(), **fields}) + "\n")


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.02)


async def test_a_question_is_seen_as_it_is_asked_and_answered(store: Store, watcher: Watcher, directory: Path) -> None:
    reports = Reports(store, watcher, TASK, directory)
    report(directory, "question", id="q1", text="run it?\x1b[2J", options=["yes", "no"], session="s-1")
    await until(lambda: store.task(TASK).word == "question")
    assert "\x1b" not in store.task(TASK).reason
    assert store.task(TASK).session == "s-1"
    report(directory, "answered", id="q1")
    await until(lambda: store.task(TASK).word == "working")
    report(directory, "session", text="--of-no-conversation")
    report(directory, "turn_ended")
    await until(lambda: store.task(TASK).word == "waiting")
    assert store.task(TASK).session == "s-1", "only its own field is checked for what a session may be"
    reports.close()


async def test_another_reader_goes_on_where_the_last_one_stopped(
    store: Store, watcher: Watcher, directory: Path
) -> None:
    report(directory, "question", id="q1", text="first?")
    reports = Reports(store, watcher, TASK, directory)
    await until(lambda: store.task(TASK).word == "question")
    reports.close()
    with store.write() as writer:
        writer.answer(TASK, "q1")
    report(directory, "phase", text="testing")
    again = Reports(store, watcher, TASK, directory)
    await until(lambda: store.task(TASK).reason == "testing")
    assert store.claims(TASK).open == (), "what was read is not read again"
    again.close()


async def test_a_file_that_is_moved_away_and_made_anew_is_followed(
    store: Store, watcher: Watcher, directory: Path
) -> None:
    reports = Reports(store, watcher, TASK, directory)
    file = directory / "home/reports.jsonl"
    for number in range(3):
        report(directory, "phase", text=f"part {number}")
        await until(lambda number=number: store.task(TASK).reason == f"part {number}")
        file.rename(directory / "home/reports.jsonl.old")
    reports.close()


@pytest.mark.parametrize("what", ["pipe", "link", "directory", "nonsense"])
async def test_nothing_in_its_place_stops_the_controller(
    store: Store, watcher: Watcher, directory: Path, what: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = asyncio.Event()

    def read(*words: Any) -> ReportBatch:
        looked.set()
        return read_reports(*words)

    monkeypatch.setattr(reports_module, "read_reports", read)
    file = directory / "home/reports.jsonl"
    if what == "pipe":
        os.mkfifo(file)
    elif what == "link":
        file.symlink_to("/etc/passwd")
    elif what == "directory":
        file.mkdir()
    else:
        file.write_bytes(os.urandom(10_000) + b"\n[]\n{}\n")
    reports = Reports(store, watcher, TASK, directory)
    async with asyncio.timeout(10):
        await looked.wait()
    file.rename(directory / "aside")
    report(directory, "phase", text="at last")
    await until(lambda: store.task(TASK).reason == "at last")
    reports.close()
