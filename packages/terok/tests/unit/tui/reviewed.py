"""A gate with the work of tasks that the terminal interface shows, and values of its views."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest
from terok.model.hunks import FileDiff
from terok.model.race import Attempt, Race
from terok.services import Tasks
from terok.store import Writer
from terok.store.races import add_race

from ..services import reviewing
from ..services.reviewing import Agent, make_agent
from .conftest import REVIEW, add, populate

FIRST, SECOND, RACE = "b2234567", "b3234567", "d2234567"
LINES = [f"line {number}" for number in range(1, 31)]
CODE = """\
def first(name):
    # Say hello.
    return "hello " + name


def second(count):
    return count + 1
"""


def diff(rows: list[tuple[str, str]], path: str = "src/a.py", **more: Any) -> FileDiff:
    """Return a changed file with one hunk, from line 10 on."""
    old, new = (sum(kind in kinds for kind, _ in rows) for kinds in (" -", " +"))
    body = "".join(f"{kind}{text}\n" for kind, text in rows)
    patch = f"diff --git a/x b/x\n@@ -10,{old} +10,{new} @@ def above():\n{body}"
    return FileDiff(
        "M", path, path, "100644", "100644", "1" * 40, "2" * 40, patch=patch.encode("utf-8", "replace"), **more
    )


def agent_of(tasks: Tasks, place: Path, monkeypatch: pytest.MonkeyPatch, task_id: str = REVIEW) -> Agent:
    """Return the agent of a task that is recorded, in a project whose files are the same in every test."""
    monkeypatch.setattr(reviewing, "new_task", lambda tasks: tasks.store.task(task_id))
    start = {"README": "\n".join(LINES) + "\n", "src/greet.py": CODE, "src/old.txt": "gone soon\n"}
    return make_agent(tasks, place, start)


def work(agent: Agent) -> None:
    """Let an agent change four files, one of which the gate has something to say about."""
    lines = [*LINES[:4], "line five", *LINES[5:20], "a new line", *LINES[20:29]]
    code = CODE.replace("hello", "good day").replace("count + 1", "count + 2")
    workflow = "on: push\n"
    changed = {"README": "\n".join(lines) + "\n", "src/greet.py": code, "src/old.txt": None}
    agent.commit({**changed, ".github/workflows/x.yml": workflow})
    agent.push()


def raced(tasks: Tasks, place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Record a race of two attempts that have brought something."""
    populate()
    with tasks.store.write() as writer:
        for number, task_id in enumerate((FIRST, SECOND), 1):
            _attempt(writer, task_id, f"greet-{number}")
    agent = agent_of(tasks, place, monkeypatch, FIRST)
    agent.commit({"src/greet.py": CODE.replace("hello", "good day")})
    agent.push()
    monkeypatch.setattr(reviewing, "new_task", lambda tasks: tasks.store.task(SECOND))
    agent.another("Greet", {"src/greet.py": CODE.replace("hello", "good evening"), "NOTES": "one\ntwo\n"})
    base = subprocess.run(
        ["git", "-C", str(agent.upstream), "rev-parse", "main"], check=True, capture_output=True, text=True
    ).stdout.strip()
    race = Race(RACE, "greet", "web", 1.0, "Greet people", "web", base)
    attempts = [
        Attempt(RACE, number, one, f"greet-{number}", "claude") for number, one in enumerate((FIRST, SECOND), 1)
    ]
    with tasks.store.write() as writer:
        add_race(writer, race, attempts)


def _attempt(writer: Writer, task_id: str, name: str) -> None:
    add(writer, task_id, name, race=RACE, branch=f"terok/{task_id}", up=True)
    writer.change(task_id, "cost", cost=0.25 if task_id == FIRST else 0.5)
    writer.end(task_id, 0)
