"""The program in the container that agents' hooks call."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from importlib.resources import files
from pathlib import Path

import pytest
from terok_executor.reports.file import OLDER, REPORTS, read_reports
from terok_executor.reports.report import Report

HELPER = str(files("terok_executor") / "resources" / "image" / "terok-report.py")
HOOK = {
    "session_id": "0f-1",
    "tool_use_id": "q1",
    "tool_input": {"questions": [{"question": "Which?", "options": [{"label": "left"}, {"label": "right"}]}]},
}


def report(task: Path, *words: str, stdin: str = "") -> None:
    done = subprocess.run(
        [sys.executable, "-IS", HELPER, *words],
        input=stdin,
        env={"TEROK_TASK_DIR": str(task / "home")},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path


def reports(task: Path) -> list[Report]:
    return list(read_reports(task).reports)


def test_parts_are_found_where_the_words_say(task: Path) -> None:
    paths = (
        "text=tool_input.questions.*.question",
        "options=tool_input.questions.0.options.*.label",
        "id=nothing,tool_use_id",
    )
    report(task, "question", "-", *paths, "session=session_id", stdin=json.dumps(HOOK))
    report(task, "turn_ended", "session=thread-id", '{"thread-id": "t-1", "text": "not asked for"}')
    report(task, "phase", '{"text": "testing", "options": ["a", "b"]}')
    report(task, "idle")
    question, end, phase, idle = reports(task)
    assert (question.kind, question.text, question.id) == ("question", "Which?", "q1")
    assert (question.options, question.session) == (("left", "right"), "0f-1")
    assert (end.kind, end.text, end.session) == ("turn_ended", "", "t-1")
    assert (phase.text, phase.options) == ("testing", ("a", "b"))
    assert idle.kind == "idle"


@pytest.mark.parametrize(
    ("words", "stdin"),
    [(("invented",), ""), (("idle", "-"), "no JSON"), (("idle", "-"), "[" * 100_000), ((), ""), (("idle", "{"), "")],
)
def test_what_makes_no_sense_is_left_out_silently(task: Path, words: tuple[str, ...], stdin: str) -> None:
    report(task, *words, stdin=stdin)
    assert reports(task) == []


def test_long_texts_are_cut(task: Path) -> None:
    report(task, "turn_ended", "-", "text=text", stdin=json.dumps({"text": "é" * 500_000}))
    (one,) = reports(task)
    assert one.text == "é" * 2000


def test_a_full_file_makes_room(task: Path) -> None:
    (task / REPORTS).write_bytes(b"\n" * 300_000)
    report(task, "idle")
    report(task, "phase", '{"text": "on"}')
    assert (task / OLDER).exists()
    assert [one.kind for one in reports(task)] == ["idle", "phase"]


def test_a_link_in_the_place_of_the_file_is_not_followed(task: Path) -> None:
    (task / REPORTS).symlink_to(task / "elsewhere")
    report(task, "idle")
    assert not (task / "elsewhere").exists()


def test_a_condition_leaves_out_what_does_not_meet_it(task: Path) -> None:
    for answer in ("Command was cancelled by user.", "done", ""):
        report(
            task, "turn_ended", "-", "if=tool.answer~cancelled by user", stdin=json.dumps({"tool": {"answer": answer}})
        )
    assert [one.kind for one in reports(task)] == ["turn_ended"]


def until(condition: Callable[[], object]) -> None:
    end = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.02)


def kinds(task: Path) -> list[str]:
    return [one.kind for one in reports(task)]


def watchers(task: Path) -> list[Path]:
    """Return the processes that stay behind a report of the task."""
    mark, found = f"TEROK_TASK_DIR={task}/home".encode(), []
    for path in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            found += [path] if mark in path.read_bytes().split(b"\0") else []
    return found


@contextmanager
def started(program: str) -> Iterator[None]:
    """Run a program that ends with the block."""
    with subprocess.Popen([sys.executable, "-c", program]) as running:
        try:
            yield
        finally:
            running.kill()


def test_a_permission_is_answered_when_its_command_runs(task: Path) -> None:
    """However the command is quoted; one that ran before, or another one, says nothing."""
    command = "import time; time.sleep(3600) # 'quoted'"
    words = ("-", "watch=program", "id=tool.command", "session=session_id")
    with started(command), started("import time; time.sleep(3601)"):
        report(task, "permission", *words, stdin=json.dumps({"tool": {"command": command}, "session_id": "s"}))
        report(task, "permission", *words, stdin=json.dumps({"tool": {"command": "ls"}, "session_id": "s"}))
        report(task, "answered", '{"id": "another"}')
        with started(command.replace("'", '"')):
            until(lambda: kinds(task)[3:])
    answered = reports(task)[3]
    assert (answered.kind, answered.id, answered.session) == ("answered", command, "s")
    report(task, "turn_ended")
    until(lambda: not watchers(task))
    assert kinds(task) == ["permission", "permission", "answered", "answered", "turn_ended"]


def test_a_turn_that_is_broken_off_ends_when_its_agent_says_that_it_is_idle(task: Path) -> None:
    def says(name: str, session: str, status: str) -> None:
        (task / name).write_text(json.dumps({"sessionId": session, "status": status}))

    says("other.json", "t", "idle")
    says("one.json", "s", "busy")
    report(task, "turn_began", "-", f"watch={task}/*.json", "session=session_id", stdin='{"session_id": "s"}')
    report(task, "phase", '{"text": "on"}')
    says("one.json", "s", "waiting")
    (task / "half.json").write_text('{"sessionId": "s", "sta')
    says("one.json", "s", "idle")
    until(lambda: kinds(task)[2:])
    assert kinds(task) == ["turn_began", "phase", "idle"]
    report(task, "permission", "-", "watch=program", "id=id", stdin='{"id": "make everything"}')
    report(task, "answered", '{"id": "make everything"}')
    until(lambda: not watchers(task))
    says("one.json", "s", "busy")
    report(task, "turn_began", "-", f"watch={task}/*.json", "session=session_id", stdin='{"session_id": "s"}')
    report(task, "turn_ended")
    until(lambda: not watchers(task))
    says("one.json", "s", "idle")
    assert kinds(task)[5:] == ["turn_began", "turn_ended"]
