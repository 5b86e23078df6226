"""The verbs of tasks as a person types them, on an engine that needs no Podman."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from outputs import document
from shapes import problem
from terok.cli import main
from terok.model.facts import Process, Spent
from terok.model.state import UNWATCHED
from terok.services import Tasks
from terok.store import Store

from .conftest import PlainEngine
from .test_tasks import finished, run


@pytest.fixture(autouse=True)
def engine_of_verbs(engine: PlainEngine, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give every verb the engine of the test, and take back how it treats signals."""
    monkeypatch.setattr("terok.services.tasks_base.engine_named", lambda name, say: engine)
    before = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGHUP)}
    yield
    for number, handler in before.items():
        signal.signal(number, handler)


@pytest.fixture
def typed(capsys: pytest.CaptureFixture[str]) -> Callable[..., str]:
    """Type a command and return what it prints; its exit code is 0 unless another is expected."""

    def type_command(*words: str, code: int = 0) -> str:
        capsys.readouterr()
        assert main([*words]) == code, capsys.readouterr()
        captured = capsys.readouterr()
        return captured.out if code == 0 else captured.err + captured.out

    return type_command


@pytest.fixture
def as_json(typed: Callable[..., str]) -> Callable[..., Any]:
    """Type a command with `--json`, and hold its output to the published schema."""

    def type_command(*words: str, code: int = 0) -> Any:
        text = typed(*words, "--json", code=code)
        verb = " ".join(words[: 2 if words[0] in ("task", "op") else 1])
        read = json.loads(text)
        assert problem(read, document(verb)) is None
        return read

    return type_command


def test_a_list_by_filter(tasks: Tasks, typed: Callable[..., str], as_json: Callable[..., Any]) -> None:
    assert "no task yet" in typed("task", "list")
    done, working = finished(tasks), run(tasks, "Fix the door")
    assert [row["id"] for row in as_json("task", "list")] == [working.id, done.id]
    assert [row["id"] for row in as_json("task", "list", "s:done")] == [done.id]
    assert [row["id"] for row in as_json("task", "list", "door", "p:web")] == [working.id]
    lines = typed("task", "list").splitlines()
    assert lines[0].split() == ["STATE", "ID", "PROJECT", "NAME", "AGENT", "SINCE", "WHY"]
    assert lines[1].startswith("[>] ")
    assert lines[2].startswith("(=)*")
    assert "at character 3" in typed("task", "list", "s:dnoe", code=2)


def test_one_task_in_words_and_json(tasks: Tasks, typed: Callable[..., str], as_json: Callable[..., Any]) -> None:
    task = finished(tasks)
    short = tasks.short(task)
    for verb in ("show", "status", "why"):
        assert short in typed("task", verb, "@latest")
        assert "done" in typed("task", verb, f"web/{task.name}")
    assert as_json("task", "status", short)["word"] == "done"
    assert as_json("task", "why", "web", task.name)["evidence"][0]["text"] == "ended with exit code 0"
    shown = as_json("task", "show", short)
    assert shown["request"]["prompt"] == "Do it"
    assert Path(shown["directory"], "workspace/work").exists()
    entries = as_json("task", "timeline", short)["entries"]
    assert [entry["data"]["event"] for entry in entries[:2]] == ["created", "queued"]
    as_json("task", "rename", short, "better")
    assert as_json("task", "show", "better")["name_by_user"] is True


def test_nothing_runs_into_a_filter(
    tasks: Tasks, engine: PlainEngine, typed: Callable[..., str], as_json: Callable[..., Any]
) -> None:
    over, working = [finished(tasks), finished(tasks)], run(tasks)
    rows = {row["task"]: row["ok"] for row in as_json("task", "delete", "p:web")}
    assert rows == {over[0].id: True, over[1].id: True, working.id: False}
    assert [one.id for one in tasks.store.tasks()] == [working.id]
    assert "no task meets" in typed("task", "delete", "p:other", code=2)
    typed("task", "delete", "p:web", "--running")
    assert tasks.store.tasks() == []
    typed("task", "restore", over[0].id, working.id)
    assert {one.id for one in tasks.store.tasks()} == {over[0].id, working.id}


def test_failures_are_listed_and_the_others_done(tasks: Tasks, engine: PlainEngine, typed: Callable[..., str]) -> None:
    one, two, three = finished(tasks), run(tasks), finished(tasks)
    said = typed("task", "archive", one.id, two.id, three.id, code=1)
    assert f"({two.name}) FAILED: task {two.id} is not over" in said
    assert said.count("is archived") == 2
    assert "is not over" in typed("task", "archive", two.id, code=2), "one task's error is the verb's own"


def test_waiting_for_a_state(tasks: Tasks, typed: Callable[..., str], as_json: Callable[..., Any]) -> None:
    done, working = finished(tasks), run(tasks)
    assert as_json("task", "wait", done.id)[0]["word"] == "done"
    typed("task", "wait", working.id, "--until", "working")
    typed("task", "wait", done.id, working.id, "--timeout", "0", code=124)
    assert "there is no state" in typed("task", "wait", done.id, "--until", "ready", code=2)


def test_who_waits_is_told_that_a_task_waits_for_a_person(tasks: Tasks, typed: Callable[..., str]) -> None:
    task, other = run(tasks), run(tasks)
    with tasks.store.write() as writer:
        writer.observe(task.id, spent=Spent(writer.at, "broker", "usd", 2.0, 2.0, 1))
    said = typed("task", "wait", task.id, other.id, "--timeout", "0", "--json", code=124)
    assert "note: " in said and "waits for you: budget: 2 of 2 usd used, 1 calls held" in said
    assert said.count("waits for you") == 1


def test_who_waits_sleeps_until_the_database_changes(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    task, looked = run(tasks), threading.Event()
    monkeypatch.setattr("terok.cli.task_wait._LOOK", 1e6)
    monkeypatch.setattr("terok.services.tasks_base.TaskBase.wake_controller", lambda self: looked.set())
    with ThreadPoolExecutor() as beside:
        code = beside.submit(main, ["task", "wait", task.id])
        assert looked.wait(60)
        with Store() as store, store.write() as writer:
            writer.end(task.id, 0)
        assert code.result(60) == 0


def test_who_waits_sees_what_time_alone_changes(tasks: Tasks, monkeypatch: pytest.MonkeyPatch) -> None:
    task = run(tasks)
    monkeypatch.setattr("terok.cli.task_wait._LOOK", 1e6)
    with Store() as store, store.write() as writer:
        nearly = time.time() - UNWATCHED + 0.3
        writer.change(task.id, "state", started=nearly)
        writer.observe(task.id, process=Process(nearly, "podman", "up", since=nearly))
    beside = threading.Thread(target=main, args=(["task", "wait", task.id, "--until", "doubt"],), daemon=True)
    beside.start()
    beside.join(30)
    assert not beside.is_alive()


def test_follow_ups_are_listed_changed_and_taken_back(
    tasks: Tasks, typed: Callable[..., str], as_json: Callable[..., Any]
) -> None:
    task = run(tasks)
    assert as_json("task", "followup", task.id, "first")["delivered"] is False
    typed("task", "followup", task.id, "second")
    one, two = as_json("task", "followup", task.id, "--list")
    typed("task", "followup", task.id, "changed", "--edit", str(one["id"]))
    typed("task", "followup", task.id, "--take-back", str(two["id"]))
    assert [row["text"] for row in as_json("task", "followup", task.id, "--list")] == ["changed"]
    assert "one thing at a time" in typed("task", "followup", task.id, "--list", "--take-back", "1", code=2)
    assert "is missing" in typed("task", "followup", task.id, code=2)


def test_a_task_that_is_only_recorded(tasks: Tasks, engine: PlainEngine, as_json: Callable[..., Any]) -> None:
    row = as_json("task", "new", "web", "Later", "--name", "later", "--timeout", "60")
    assert (row["word"], engine.asked) == ("stopped", [])
    assert as_json("task", "show", "later")["request"]["timeout"] == 60
    as_json("task", "restart", "later")
    assert [prompt for _, prompt in engine.asked] == ["Later"]


def test_a_detached_run_and_its_options(
    tasks: Tasks, typed: Callable[..., str], as_json: Callable[..., Any], tmp_path: Path
) -> None:
    (tmp_path / "prompt").write_text("From a file")
    words = (
        "--memory",
        "4g",
        "--cpus",
        "1.5",
        "-e",
        "A=b",
        "--allow",
        "example.org",
        "--branch",
        "mine",
        "--restricted",
    )
    more = (
        "--prompt-file",
        str(tmp_path / "prompt"),
        "--budget",
        "tokens=5",
        "--instructions",
        str(tmp_path / "prompt"),
    )
    row = as_json("task", "run", "web", "--detach", *words, *more)
    request = tasks.store.request(row["id"])
    assert (row["prompt"], row["branch"]) == ("From a file", f"terok/{row['id']}")
    wanted = {"memory": "4g", "cpus": 1.5, "env": {"A": "b"}, "branch": "mine", "unrestricted": False}
    assert {name: request[name] for name in wanted} == wanted
    assert (request["allow"], request["budget"]) == (["example.org"], ["tokens=5"])
    assert "From a file" in str(request["instructions"])
    assert "there is no project" in typed("task", "run", "wbe", "x", code=2)


def test_what_was_done_is_listed_and_taken_back(
    tasks: Tasks, typed: Callable[..., str], as_json: Callable[..., Any]
) -> None:
    assert "nothing yet" in typed("op", "log")
    task = finished(tasks)
    typed("task", "delete", task.id)
    (row,) = as_json("op", "log")
    assert (row["verb"], row["subject"], row["state"]) == ("task delete", task.id, "done")
    assert f"web/{task.name}" in typed("undo", str(row["id"]))
    assert as_json("op", "log")[0]["state"] == "undone"
    assert "nothing to undo" in typed("undo", code=1)
