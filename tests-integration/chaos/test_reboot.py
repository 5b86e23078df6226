"""The machine goes down with twenty tasks: they are back with their conversations, none twice, the stopped one not."""

from __future__ import annotations

import json
import os
import signal
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from product import make_project, remove_containers
from support import Shell
from terok.stub import Pause, Script, running_stub

HEADLESS, OTHERS, QUEUED = 18, 2, 2
AGAIN = "Go on with what you were doing when you were interrupted."
LEFT = "echo left >> untracked.txt"


@pytest.fixture
def slots(ready: Shell) -> Iterator[None]:
    """Let as many tasks work at once as there are here."""
    file = Path(ready.environment["TEROK_ROOT"]) / "config/config.yml"
    before = file.read_bytes() if file.exists() else None
    file.write_bytes((before or b"") + b"tasks:\n  slots: 18\n  project_slots: 18\n")
    yield
    if before is None:
        file.unlink()
    else:
        file.write_bytes(before)


@pytest.fixture
def pause() -> Pause:
    return Pause(limit=600)


@pytest.fixture
def project(
    ready: Shell,
    repository: Path,
    base_image: str,
    real_key: str,
    upstream: Callable[[str, str], None],
    slots: None,
    pause: Pause,
) -> Iterator[str]:
    """Make a project whose agents leave a file in their workspaces, and then wait for their model."""
    with running_stub(Script((LEFT,)), api_key=real_key, pause=pause) as stub:
        upstream("demo", stub.url)
        name = make_project(ready, repository)
        yield name
        pause.resume()
        # What should run would be back after the next test that lets the machine go down.
        ready("terok", "task", "stop", f"p:{name}", "--running", code=None, timeout=300)
        remove_containers(ready, name)


def run(ready: Shell, project: str, *words: str) -> str:
    task: str = ready("terok", "task", "run", "-d", project, *words, "--json", timeout=600).json()["id"]
    return task


def kinds(ready: Shell, task: str) -> list[str]:
    found = sqlite3.connect(Path(ready.environment["TEROK_ROOT"]) / "state/terok.db")
    try:
        return [kind for (kind,) in found.execute("SELECT kind FROM events WHERE task = ? ORDER BY seq", (task,))]
    finally:
        found.close()


def workspace(ready: Shell, project: str, task: str) -> Path:
    return Path(ready.environment["TEROK_ROOT"]) / "state/tasks" / project / task / "workspace"


def power_cut(ready: Shell, project: str, tasks: list[str]) -> None:
    """Kill the controller, everything of the sandbox and all containers at once, and begin another boot."""
    pids = [ready("terok", "controller", "status", "--json").json()["pid"]]
    pids.append(ready("terok-sandbox", "supervisor", "status", "--json").json()["pid"])
    for task in tasks:
        status = ready("terok-sandbox", "supervisor", "status", f"terok-{project}-{task}", "--json").json()
        pids += [status["pid"], *(worker["pid"] for worker in status["workers"].values())]
    for pid in pids:
        os.kill(pid, signal.SIGKILL)
    ready("podman", "kill", *(f"terok-{project}-{task}" for task in tasks), code=None)
    with sqlite3.connect(Path(ready.environment["TEROK_ROOT"]) / "state/terok.db") as database:
        database.execute("UPDATE tasks SET boot = 'before'")
    database.close()


def test_twenty_tasks_are_back_after_a_reboot(ready: Shell, project: str, pause: Pause) -> None:
    ready("terok", "controller", "start")
    with ThreadPoolExecutor(2) as pool:
        stopped, *others = pool.map(lambda _: run(ready, project), range(OTHERS + 1))
        ready("terok", "task", "stop", stopped)
        ready("terok", "task", "wait", *others, "--until", "waiting", "--timeout", "120")
        headless = list(pool.map(lambda number: run(ready, project, f"Task {number}"), range(HEADLESS)))
    queued = [run(ready, project, "Wait for your turn") for _ in range(QUEUED)]
    assert pause.reached(120)
    for task in headless:
        ready("timeout", "60", "sh", "-c", f"until test -s {workspace(ready, project, task)}/untracked.txt; do :; done")
    power_cut(ready, project, [*headless, *others])

    ready("terok", "controller", "start")
    for _ in range(600):
        missing = [task for task in (*headless, *others) if kinds(ready, task).count("started") < 2]
        if not missing:
            break
        ready("sleep", "0.3")
    assert not missing, {task: kinds(ready, task) for task in missing}
    rows = {row["id"]: row for row in ready("terok", "task", "list", f"p:{project}", "--json").json()}
    assert {task for task, row in rows.items() if row["process"] == "up"} == {*headless, *others}
    assert [rows[task]["word"] for task in queued] == ["queued"] * QUEUED, "what is back holds its slot"
    up = ready("podman", "ps", "--format", "{{.Names}}", "--filter", f"name=^terok-{project}-").out.split()
    assert sorted(up) == sorted(f"terok-{project}-{task}" for task in (*headless, *others))

    pause.resume()
    ready("terok", "task", "wait", *headless, *queued, "--until", "over", "--timeout", "300", timeout=320)
    for number, task in enumerate(headless):
        told = [
            json.loads(line)
            for line in ready("terok", "task", "logs", "--raw", task).out.splitlines()
            if line[:1] == "{"
        ]
        prompts = [(row["text"], row["session"]) for row in told if row["event"] == "prompt"]
        assert prompts == [(f"Task {number}", prompts[0][1]), (AGAIN, prompts[0][1])], prompts
        assert (workspace(ready, project, task) / "untracked.txt").read_text() == "left\n" * 2
    for tasks, runs in (((*headless, *others), 2), ((stopped, *queued), 1)):
        for task in tasks:
            happened = kinds(ready, task)
            assert (happened.count("starting"), happened.count("resuming")) == (runs, runs - 1), task
