"""The terminal interface on a real database, and a watch over its loop."""

from __future__ import annotations

import asyncio
import gc
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from rich.cells import cell_len
from rich.style import Style
from terok.model.admission import Waiting
from terok.model.claims import Claim
from terok.model.facts import Calls, Clearance, Process, Pushed, Spent
from terok.model.task import Event, Task
from terok.services import Tasks
from terok.store import Snapshot, Store, Writer, own_lease
from terok.store.reading import CONTROLLER
from terok.tui.app import TerokApp
from terok.tui.background.feed import Source
from terok.tui.keymap import bound
from terok.tui.views.inbox import Place

ASKS, WANTS, SPENT, REVIEW, WORKS, QUEUED = "a3234567", "k7234567", "m2234567", "p4234567", "c1234567", "e2234567"
MOST_SECONDS = 0.05
QUIET_SECONDS = 0.0011
HARMLESS = (".py", ".pyc", ".so", ".pem")
"""Files that Python itself opens when a module is imported late."""


def populate(more: int = 0) -> None:
    """Record tasks in every group, as a controller that runs would have."""
    now = time.time()
    with Store() as store, store.write(now - 905) as writer:
        writer.set(CONTROLLER, own_lease())
        add(writer, ASKS, "fix-auth", mode="interactive", up=True)
        writer.claim(ASKS, Claim(now - 65, "question", "q1", "Run the migration?", ("yes", "no", "ask first")))
        add(writer, WANTS, "bump-deps", "api", up=True)
        wants = Clearance(now, "gateway", now - 245, ("r1",), ("files.example.org:443",))
        writer.observe(WANTS, clearance=wants)
        add(writer, SPENT, "port-tests", "api", up=True)
        writer.observe(SPENT, spent=Spent(now - 725, "vault", "USD of the task", 2.0, 2.0, 1))
        writer.change(SPENT, "cost", cost=2.0)
        add(writer, REVIEW, "csv-export", up=True)
        writer.end(REVIEW, 0)
        pushed = Pushed(now - 1205, "gate", f"terok/{REVIEW}", "abc", 3)
        writer.observe(REVIEW, process=Process(now, "podman", "exited", 0, now - 1205), pushed=pushed)
        add(writer, WORKS, "refactor-db", "core", up=True)
        writer.observe(WORKS, calls=Calls(now, "vault", 1, now - 5, 0, 0, "anthropic"))
        add(writer, QUEUED, "lint-fixes", "api")
        writer.enqueue(Waiting(QUEUED, "api", now - 365), "waits for a slot (4 of 4)")
        for number in range(3 + more):
            task_id = f"z{number:07d}"
            add(writer, task_id, f"old-{number}", "core")
            writer.begin(task_id, f"terok-core-{task_id}")
            writer.end(task_id, number % 2, at=now - 86400 * (number % 30) - 3605)


def add(writer: Writer, task_id: str, name: str, project: str = "web", *, up: bool = False, **more: Any) -> None:
    row = {"mode": "headless", "agent": "claude", "prompt": "Fix it", **more}
    writer.add_task(Task(id=task_id, project=project, name=name, created=writer.at, scope=project, **row), {})
    if up:
        writer.begin(task_id, f"terok-{project}-{task_id}")
        writer.observe(task_id, process=Process(writer.at + 905, "podman", "up", since=writer.at))


class Told(Source):
    """Events from the database, looked at whenever a test says that it has written something."""

    def __init__(self) -> None:
        self._news = threading.Semaphore(0)

    def tell(self) -> None:
        self._news.release()

    def reach(self) -> None:
        pass

    def follow(self, after: int) -> Iterator[Snapshot | Event]:
        while True:
            with Store() as store:
                for event in store.events_after(after):
                    after = event.seq
                    yield event
            self._news.acquire()


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    root = tmp_path / "root"
    (root / "run").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("TEROK_ROOT", str(root))
    monkeypatch.delenv("TEROK_EXECUTOR_STATE_DIR", raising=False)
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setattr(Tasks, "wake_controller", lambda self: None)
    return root


@pytest.fixture
def source() -> Told:
    return Told()


@pytest.fixture
def tui(root: Path, source: Told, watched: Watch) -> Callable[..., TerokApp]:
    def make(**more: Any) -> TerokApp:
        app = TerokApp(more.pop("place", Place()), bound(more.pop("keys", {})), source=source, **more)
        watched.app = app
        return app

    return make


class Watch:
    """Notes whatever the loop's thread should not do, once the first frame is there."""

    def __init__(self) -> None:
        self.app: TerokApp | None = None
        self.faults: list[str] = []
        self.thread = threading.get_ident()
        self.on = True

    @property
    def looks(self) -> bool:
        ready = self.app is not None and self.app.world.loaded and self.app.is_running
        return self.on and ready and threading.get_ident() == self.thread

    def audit(self, event: str, values: tuple[Any, ...]) -> None:
        if not (self.on and event in _FORBIDDEN and self.looks):
            return
        if event == "open" and (not isinstance(values[0], str) or values[0].endswith(HARMLESS)):
            return
        self.faults.append(f"{event} {values[:2]}")

    def ran(self, handle: asyncio.Handle, seconds: float) -> None:
        if seconds > MOST_SECONDS and self.looks and seconds > MOST_SECONDS * slowness():
            task = getattr(handle._callback, "__self__", None)
            self.faults.append(f"{seconds * 1e3:.0f} ms of processor time in {task or handle}")


def slowness() -> float:
    """Return how much slower than on a quiet machine of today Python is at this moment, at least 1."""
    before, found = time.thread_time(), {}
    for number in range(20_000):
        found[number % 97] = str(number)
    crowd = os.getloadavg()[0] / (os.cpu_count() or 1)  # neighbors on a processor slow it beyond their share
    return max(1.0, crowd / 3, (time.thread_time() - before) / QUIET_SECONDS)


_FORBIDDEN = {
    "open",
    "socket.connect",
    "subprocess.Popen",
    "os.posix_spawn",
    "os.fork",
    "sqlite3.connect",
    "time.sleep",
}
_watches: list[Watch] = []
sys.addaudithook(lambda event, values: [watch.audit(event, values) for watch in _watches] and None)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> Iterator[Watch]:
    """Fail if the loop opens a file, connects, starts a process, sleeps, or computes for longer than 50 ms."""
    watch, run = Watch(), asyncio.Handle._run

    def timed(handle: asyncio.Handle) -> None:
        before = time.thread_time()
        run(handle)
        watch.ran(handle, time.thread_time() - before)

    monkeypatch.setattr(asyncio.Handle, "_run", timed)
    gc.collect()
    gc.freeze()  # what other tests have left is not to be searched in the loop of this one
    _watches.append(watch)
    try:
        yield watch
    finally:
        watch.on = False
        gc.unfreeze()
        _watches.remove(watch)
    assert watch.faults == []


async def until(pilot: Any, true: Callable[[], Any]) -> None:
    """Let the program run until something is so."""
    for _ in range(2000):
        if true():
            return
        await pilot.pause(0.005)
    raise AssertionError("it never came to be so:\n" + grid(pilot.app))


def grid(app: TerokApp) -> str:
    """Return the screen as text."""
    strips = app.screen._compositor.render_strips()
    return "\n".join("".join(segment.text for segment in strip).rstrip() for strip in strips)


def painted(app: TerokApp) -> str:
    """Return the screen as text, and below it a map of the looks of its cells with a legend."""
    looks: dict[str, str] = {"none": " "}
    rows = []
    for strip in app.screen._compositor.render_strips():
        cells = ""
        for segment in strip:
            style = segment.style
            ours = str(style.without_color + Style(color=style.color)) if style is not None else "none"
            letter = looks.setdefault(ours.replace("none ", "") or "none", chr(ord("a") + len(looks) - 1))
            cells += letter * cell_len(segment.text)
        rows.append(cells.rstrip())
    legend = [f"{letter} {style}" for style, letter in looks.items()]
    return "\n".join([grid(app), "", *rows, "", *legend]) + "\n"
