"""A race with real agents: begun alike, one dies, the others are checked, compared, and one is kept."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from product import make_project, remove_containers
from support import Shell
from terok.stub import Script, running_stub

WAITS = "until [ -e /shared/go ]; do sleep 0.1; done"
DEMO = "echo by demo > made && echo a line >> README.md && git add -A && git commit -q -m 'By demo'"
CLAUDE = "echo by claude > made && echo more > extra && git add -A && git commit -q -m 'By claude'"
CHECK = "grep -q by made && git log -1 --format=checked-%s"


@pytest.fixture
def project(
    ready: Shell, repository: Path, base_image: str, real_key: str, upstream: Callable[[str, str], None]
) -> Iterator[str]:
    """Make a project whose tasks share a directory, with providers that play one commit each, when they may go on."""
    name = make_project(ready, repository)
    ready("terok", "project", "edit", name, "shared.dir", "true")
    with ExitStack() as stack:
        for provider, command in (("demo", DEMO), ("anthropic", CLAUDE)):
            stub = stack.enter_context(running_stub(Script((WAITS, command)), api_key=real_key))
            upstream(provider, stub.url)
        yield name
        remove_containers(ready, name)


def board(ready: Shell, race: str) -> dict[int, dict[str, Any]]:
    rows = ready("terok", "race", "show", race, "--json").json()["attempts"]
    return {row["number"]: row for row in rows}


def heads(repository: Path) -> set[str]:
    words = ["git", "-C", str(repository), "for-each-ref", "--format=%(refname:short)", "refs/heads"]
    return set(subprocess.run(words, check=True, capture_output=True, text=True).stdout.split())


@pytest.mark.timeout(400)
def test_a_race_is_judged_and_one_attempt_is_kept(ready: Shell, project: str, repository: Path) -> None:
    upstream = repository.with_name("upstream.git")
    words = ("terok", "race", "run", project, "Make a file", "-n", "3", "--agents", "demo,claude", "--name", "try")
    with subprocess.Popen(
        [*words, "--check", CHECK, "--wait", "--json"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ready.environment,
        cwd=ready.cwd,
    ) as process:
        assert process.stderr is not None
        assert "3 attempts from" in next(line for line in process.stderr if line.startswith("race "))
        deadline = time.monotonic() + 300
        while {row["process"] for row in ready("terok", "task", "list", f"p:{project}", "--json").json()} != {"up"}:
            assert time.monotonic() < deadline
        tasks = {row["name"]: row for row in ready("terok", "task", "list", f"p:{project}", "--json").json()}
        assert {row["race"] for row in tasks.values()} == {tasks["try-1"]["race"]} != {""}
        ready("podman", "kill", tasks["try-3"]["container"])
        (Path(ready.environment["TEROK_ROOT"]) / "state/shared" / project / "go").touch()
        out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    document = json.loads(out)
    found = {row["number"]: row for row in document["attempts"]}
    assert [row["number"] for row in document["attempts"]] == [1, 2, 3], "what can be judged comes first"
    assert [(row["agent"], row["check"]["word"], row["commits"]) for row in found.values()] == [
        *(("demo", "passed", 1), ("claude", "passed", 1)),
        ("demo", "nothing", 0),
    ]
    assert "checked-By claude" in found[2]["check"]["output"]
    assert (found[3]["word"], found[3]["tip"]) == ("failed", "")
    assert [found[number]["size"]["files"] for number in (1, 2)] == [2, 2]
    assert all(row["seconds"] > 0 for row in found.values())
    assert document["shared"] == [{"path": "made", "attempts": [1, 2]}]
    difference = ready("terok", "race", "show", "try", "--diff", "1", "2").out
    assert "+by claude" in difference
    assert "-by demo" in difference
    assert "is deleted" in ready("terok", "task", "delete", "try-3").out
    assert board(ready, "try")[3]["fate"] == "deleted"

    before = heads(upstream)
    refused = ready("terok", "race", "keep", "try-2", code=1)
    assert "was not reviewed" in refused.err
    ready("terok", "review", "try-2")
    assert "terok undo" in ready("terok", "race", "keep", "try-2").out
    kept = board(ready, "try")
    assert [(kept[number]["fate"], kept[number]["kept"]) for number in (1, 2)] == [("archived", False), ("here", True)]
    assert heads(upstream) - before == {tasks["try-2"]["branch"]}
    ready("terok", "undo")
    again = board(ready, "try")
    assert [(again[number]["fate"], again[number]["kept"]) for number in (1, 2)] == [("here", False), ("here", False)]
    assert heads(upstream) == before
    ready("terok", "race", "delete", "try")
    assert ready("terok", "race", "list", "--json").json() == []


@pytest.mark.timeout(400)
def test_checks_run_once_when_nobody_looks_on(ready: Shell, project: str) -> None:
    """There is one slot, and the controller is killed between the attempts."""
    ready("terok", "project", "edit", project, "tasks.project_slots", "1")
    (Path(ready.environment["TEROK_ROOT"]) / "state/shared" / project).mkdir(parents=True, exist_ok=True)
    words = ("race", "run", project, "Make a file", "-n", "2", "--check", CHECK, "--name", "quiet", "--json")
    begun = ready("terok", *words, timeout=300).json()["attempts"]
    assert {row["check"]["word"] for row in begun} == {"wanted"}
    until(ready, "quiet", lambda rows: any(row["word"] == "working" for row in rows))
    assert {row["word"] for row in board(ready, "quiet").values()} == {"working", "queued"}
    (Path(ready.environment["TEROK_ROOT"]) / "state/shared" / project / "go").touch()
    until(ready, "quiet", lambda rows: any(row["over"] for row in rows))
    os.kill(ready("terok", "controller", "status", "--json").json()["pid"], signal.SIGKILL)
    ready("terok", "controller", "start")
    until(ready, "quiet", lambda rows: all(row["check"]["word"] not in ("wanted", "running") for row in rows))
    assert [row["check"]["word"] for row in board(ready, "quiet").values()] == ["passed", "passed"]
    told = [json.loads(line) for line in ready("terok", "events", "--json").out.splitlines()]
    for row in begun:
        kinds = [one["kind"] for one in told if one["task"] == row["task"]]
        assert [kinds.count(kind) for kind in ("starting", "ended", "attempt_checked")] == [1, 1, 1]


def until(ready: Shell, race: str, holds: Callable[[list[dict[str, Any]]], bool]) -> None:
    """Look at a race until something holds of its attempts."""
    deadline = time.monotonic() + 180
    while not holds(list(board(ready, race).values())):
        assert time.monotonic() < deadline, board(ready, race)
