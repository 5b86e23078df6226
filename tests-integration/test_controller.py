"""Tasks that nobody looks after: the controller records their end, starts what waits, and survives being killed."""

from __future__ import annotations

import json
import os
import secrets
import signal
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import BASE, Shell
from terok.stub import Script, StubProvider, running_stub

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
    ready("terok", "controller", "stop", code=None)
    for row in ready("podman", "ps", "-a", "--format", "{{.Names}}", "--filter", f"name=^terok-{name}-").out.split():
        ready("terok-executor", "rm", "--force", row, code=None)


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
