"""The program in the container that agents' hooks call."""

from __future__ import annotations

import json
import subprocess
import sys
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
