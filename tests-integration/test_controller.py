"""Tasks that nobody looks after: the controller records their end, starts what waits, and survives being killed."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from product import remove_containers
from support import BASE, Shell
from terok.stub import Refusal, Script, StubProvider, running_stub

COMMIT = "sleep 2; date +%N >> README.md && git add -A && git commit -q -m 'Add a line'"


@pytest.fixture(autouse=True)
def stub(ready: Shell, base_image: str, real_key: str, upstream: Callable[[str, str], None]) -> Iterator[StubProvider]:
    """Give the demo agent a provider that plays one slow commit."""
    with running_stub(Script((COMMIT,)), api_key=real_key) as provider:
        upstream("demo", provider.url)
        yield provider


@pytest.fixture
def project(ready: Shell, repository: Path) -> Iterator[str]:
    """Make a project of the repository, and remove its tasks' containers and the controller afterwards."""
    bare = repository.with_name("upstream.git")
    subprocess.run(["git", "clone", "-q", "--bare", str(repository), str(bare)], check=True)
    name = f"web-{secrets.token_hex(3)}"
    directory = Path(ready.environment["TEROK_ROOT"]) / "config/projects" / name
    directory.mkdir(parents=True)
    text = f"git:\n  upstream: {bare}\nagent:\n  name: demo\nimage:\n  base_image: {BASE}\ntasks:\n  project_slots: 1\n"
    (directory / "project.yml").write_text(text)
    yield name
    remove_containers(ready, name)


def run(ready: Shell, project: str, *words: str) -> str:
    """Start a task that nobody follows, and return its id."""
    task: str = ready("terok", "task", "run", "-d", project, "Add a line", *words, "--json", timeout=600).json()["id"]
    return task


def events(ready: Shell, task: str) -> list[dict]:
    rows = [json.loads(line) for line in ready("terok", "events", "--json").out.splitlines()]
    return [row for row in rows if row["task"] == task]


def words(rows: list[dict]) -> list[str]:
    return [row["data"]["word"] for row in rows if row["kind"] == "state"]


def controller(ready: Shell) -> int:
    ready("terok", "controller", "start")
    pid: int = ready("terok", "controller", "status", "--json").json()["pid"]
    return pid


def test_the_end_of_a_task_that_nobody_follows_is_recorded(ready: Shell, project: str) -> None:
    controller(ready)
    task = run(ready, project)
    ready("terok", "task", "wait", task, "--until", "review", "--timeout", "120", timeout=150)
    told = events(ready, task)
    assert "working" in words(told)
    assert [row["data"]["exit_code"] for row in told if row["kind"] == "ended"] == [0]
    ready("terok", "task", "wait", task, "--until", "review", "--timeout", "20")
    assert ready("terok", "task", "show", task, "--json").json()["exit_code"] == 0


def test_a_queued_task_starts_when_a_slot_is_free_and_its_turn_has_come(ready: Shell, project: str) -> None:
    """The controller is killed in the middle, and everything happens once all the same."""
    pid = controller(ready)
    first = run(ready, project)
    second = run(ready, project, "--after", first)
    third = run(ready, project)
    rows = {row["id"]: row for row in ready("terok", "task", "list", f"p:{project}", "--json").json()}
    assert rows[second]["word"] == rows[third]["word"] == "queued"
    assert "1 of 1" in rows[third]["reason"]
    os.kill(pid, signal.SIGKILL)
    assert controller(ready) != pid
    ready("terok", "task", "followup", "-d", first, "And another")
    ready("terok", "task", "wait", third, "--until", "review", "--timeout", "200", timeout=220)
    ready("terok", "task", "wait", second, "--until", "review", "--timeout", "200", timeout=220)
    for task, runs in ((first, 2), (second, 1), (third, 1)):
        kinds = [row["kind"] for row in events(ready, task)]
        assert (kinds.count("starting"), kinds.count("started"), kinds.count("ended")) == (runs, runs, runs)
        assert kinds.count("start_failed") == 0


def test_a_run_that_a_limit_has_ended_goes_on_after_it_where_that_is_allowed(
    ready: Shell, project: str, stub: StubProvider
) -> None:
    """Until then the task is shown as limited, and the wait is told."""
    config = Path(ready.environment["TEROK_ROOT"]) / "config/projects" / project / "project.yml"
    config.write_text(config.read_text() + "  wait_for_limit: 600\n")
    controller(ready)
    reset = float(int(time.time()) + 45)
    stub.refusal = Refusal(429, reset, final=True)
    task = run(ready, project)
    ready("terok", "task", "wait", task, "--until", "limit", "--timeout", "100", timeout=120)
    stub.refusal = None
    ready("terok", "task", "wait", task, "--until", "review", "--timeout", "200", timeout=220)
    told = events(ready, task)
    assert words(told).index("limit") < words(told).index("review")
    (wait,) = [row for row in told if row["kind"] == "limit_wait"]
    assert reset <= wait["data"]["until"] <= reset + 5
    starts = [row["at"] for row in told if row["kind"] == "starting"]
    assert len(starts) == 2
    assert starts[1] >= reset
    codes = [row["data"]["exit_code"] for row in told if row["kind"] == "ended"]
    assert codes[0] not in (0, None)
    assert codes[1:] == [0]


def test_after_a_reboot_what_should_run_runs_again_and_once(ready: Shell, project: str) -> None:
    """The machine is as after a power cut: containers and controller killed, another boot."""
    config = Path(ready.environment["TEROK_ROOT"]) / "config/projects" / project / "project.yml"
    config.write_text(config.read_text().replace("project_slots: 1", "project_slots: 9"))
    pid = controller(ready)
    person = ready("terok", "task", "run", "-d", project, "--json", timeout=600).json()["id"]
    stopped = ready("terok", "task", "run", "-d", project, "--json", timeout=600).json()["id"]
    ready("terok", "task", "stop", stopped)
    agent = run(ready, project)
    os.kill(pid, signal.SIGKILL)
    for task in (person, agent):
        ready("podman", "kill", f"terok-{project}-{task}", code=None)
    with sqlite3.connect(Path(ready.environment["TEROK_ROOT"]) / "state/terok.db") as database:
        database.execute("UPDATE tasks SET boot = 'before'")
    database.close()
    controller(ready)
    ready("terok", "task", "wait", agent, "--until", "review", "--timeout", "100", timeout=120)
    ready("terok", "task", "wait", person, "--until", "waiting", "--timeout", "100", timeout=120)
    for task, runs in ((person, 2), (agent, 2), (stopped, 1)):
        kinds = [row["kind"] for row in events(ready, task)]
        assert (kinds.count("starting"), kinds.count("resuming")) == (runs, runs - 1)
    ready("terok", "task", "stop", person)


def test_a_controller_that_is_killed_at_any_moment_loses_nothing_and_does_nothing_twice(
    ready: Shell, project: str
) -> None:
    controller(ready)
    tasks = [run(ready, project) for _ in range(4)]
    ready("terok", "task", "followup", "-d", tasks[0], "And another")
    kills = 0
    for number in range(200):
        pid = controller(ready)
        delay = f"{(number * 7 % 13) / 10 + 0.05:.2f}"  # from while it starts to in the middle of what its children do
        ready("sleep", delay)
        rows = {row["id"]: row for row in ready("terok", "task", "list", f"p:{project}", "--json").json()}
        over = all(row["word"] == "review" and row["exit_code"] is not None for row in rows.values())
        if over and len(words_of(ready, tasks[0], "ended")) == 2:
            break
        os.kill(pid, signal.SIGKILL)
        kills += 1
    assert kills > 10
    for task in tasks:
        runs = 2 if task == tasks[0] else 1
        assert len(words_of(ready, task, "ended")) == runs
        assert rows[task]["exit_code"] == 0


def words_of(ready: Shell, task: str, kind: str) -> list[dict]:
    return [row for row in events(ready, task) if row["kind"] == kind]
