from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_executor.reports.file import (
    BURST,
    MAX_READ,
    OLDER,
    PER_SECOND,
    REPORTS,
    ReportCursor,
    first_session,
    read_reports,
)
from terok_executor.reports.report import MAX_LINE, MAX_OPTIONS, MAX_TEXT, Report, parse_report

NOW = 1_800_000_000.0
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "home").mkdir()
    return tmp_path


def write(task: Path, *rows: dict[str, object] | bytes, file: str = REPORTS) -> None:
    with (task / file).open("ab") as stream:
        for row in rows:
            stream.write(row if isinstance(row, bytes) else json.dumps(row).encode() + b"\n")


def ended(number: int) -> dict[str, object]:
    return {"kind": "turn_ended", "at": NOW + number - 1000, "text": str(number)}


def test_reports_come_once_and_in_order(task: Path) -> None:
    write(task, {"kind": "session", "at": NOW - 9, "session": "s-1"}, {"kind": "question", "id": "q", "text": "Which?"})
    first = read_reports(task, now=NOW)
    assert first.reports == (
        Report("session", NOW - 9, session="s-1"),
        Report("question", NOW, text="Which?", id="q"),
    )
    assert read_reports(task, first.cursor, now=NOW).reports == ()
    write(task, b'{"kind": "idle", "te')
    assert read_reports(task, first.cursor, now=NOW).reports == (), "half a line waits for its end"
    write(task, b'xt": "?"}\n')
    again = read_reports(task, ReportCursor.parse(str(first.cursor)), now=NOW + 1)
    assert again.reports == (Report("idle", NOW + 1, text="?"),)
    assert (first.lost, again.lost) == (0, 0)


def test_a_new_file_is_read_behind_the_rest_of_the_one_before(task: Path) -> None:
    write(task, ended(1), ended(2))
    batch = read_reports(task, now=NOW)
    write(task, ended(3))
    (task / REPORTS).rename(task / OLDER)
    write(task, ended(4))
    batch = read_reports(task, batch.cursor, now=NOW)
    assert [report.text for report in batch.reports] == ["3", "4"]
    assert [report.text for report in read_reports(task, now=NOW).reports] == ["1", "2", "3", "4"]
    (task / REPORTS).rename(task / OLDER)
    write(task, ended(5))
    assert [report.text for report in read_reports(task, batch.cursor, now=NOW).reports] == ["5"]


def test_a_flood_leaves_the_newest_and_is_counted(task: Path) -> None:
    write(task, *(ended(number) for number in range(500)))
    first = read_reports(task, now=NOW)
    assert [report.text for report in first.reports] == [str(number) for number in range(500 - BURST, 500)]
    assert first.lost == 500 - BURST
    write(task, *(ended(number) for number in range(50)))
    later = read_reports(task, first.cursor, now=NOW + 5)
    assert len(later.reports) == 5 * PER_SECOND
    assert later.reports[-1].text == "49"


def test_repeats_count_once(task: Path) -> None:
    write(task, *({"kind": "idle", "at": NOW - number} for number in range(9)))
    assert len(read_reports(task, now=NOW).reports) == 1


def test_much_unread_is_skipped(task: Path) -> None:
    write(task, b"x" * (3 * MAX_READ) + b"\n", ended(7))
    batch = read_reports(task, now=NOW)
    assert [report.text for report in batch.reports] == ["7"]
    assert batch.lost
    write(task, b"y" * (2 * MAX_READ))
    stuck = read_reports(task, batch.cursor, now=NOW)
    write(task, b"\n", ended(8))
    assert [report.text for report in read_reports(task, stuck.cursor, now=NOW).reports] == ["8"]


@pytest.mark.parametrize("kind", ["pipe", "link", "directory", "none", "sparse", "cut"])
def test_nothing_in_its_place_raises_or_waits(task: Path, kind: str) -> None:
    file, secret = task / REPORTS, task / "secret"
    secret.write_text(json.dumps(ended(1)) + "\n")
    cursor = ReportCursor()
    if kind == "pipe":
        os.mkfifo(file)
    elif kind == "link":
        file.symlink_to(secret)
    elif kind == "directory":
        file.mkdir()
    elif kind == "sparse":
        with file.open("wb") as stream:
            stream.truncate(1 << 40)
    elif kind == "cut":
        write(task, ended(1), ended(2))
        cursor = read_reports(task, now=NOW).cursor
        file.write_bytes(b"")
    assert read_reports(task, cursor, now=NOW).reports == ()
    assert first_session(task) == ""


@given(st.lists(st.binary(max_size=200) | json_values.map(lambda value: json.dumps(value).encode()), max_size=20))
def test_any_lines_give_bounded_safe_reports(tmp_path_factory: pytest.TempPathFactory, lines: list[bytes]) -> None:
    task = tmp_path_factory.mktemp("task")
    (task / "home").mkdir()
    (task / REPORTS).write_bytes(b"\n".join(lines))
    assert len(read_reports(task, now=NOW).reports) <= BURST


@given(st.dictionaries(st.sampled_from(["at", "text", "id", "options", "session"]), json_values))
def test_any_values_give_safe_texts(values: dict[str, object]) -> None:
    report = parse_report(json.dumps({"kind": "question", **values}).encode(), NOW)
    if report is None:
        return
    assert report.at <= NOW
    assert len(report.text) <= MAX_TEXT
    assert len(report.options) <= MAX_OPTIONS
    assert all(text.isprintable() for text in (report.text, report.id, report.session, *report.options))
    assert not report.session.startswith("-")


@pytest.mark.parametrize(
    "line",
    [
        b'{"kind": "invented"}',
        b'{"kind": ["idle"]}',
        b"[" * 100_000,
        b'{"kind": "idle", "at": ' + b"9" * 5000 + b"}",
        b'{"kind": "idle", "text": "' + b"x" * MAX_LINE + b'"}',
        b'"idle"',
    ],
)
def test_lines_that_are_no_report(line: bytes) -> None:
    assert parse_report(line, NOW) is None


@pytest.mark.parametrize("session", ["--resume", "a b", "a\nb", "$(id)", "", 7, "x" * 200])
def test_an_id_that_could_be_more_than_an_id_is_none(task: Path, session: object) -> None:
    write(task, {"kind": "session", "session": session}, {"kind": "session", "session": "01a2-b3"})
    assert first_session(task) == "01a2-b3"
