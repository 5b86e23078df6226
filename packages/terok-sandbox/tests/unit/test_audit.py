from __future__ import annotations

import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.audit import MAX_TEXT, AuditLog, follow_audit, read_audit, rotated
from terok_sandbox.errors import AuditError


def test_rows_come_back_in_order(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path, container="box", durable=True)
    log.append("blocked", dest="192.0.2.1", port=443, name="a\nb\x1b[31m")
    log.append("allowed", name="x" * 9000)
    AuditLog(path).append("later")
    rows = list(read_audit(path))
    assert [row["action"] for row in rows] == ["blocked", "allowed", "later"]
    assert rows[0]["name"] == "a\nb\x1b[31m"
    assert rows[0]["container"] == "box"
    assert len(rows[1]["name"]) == MAX_TEXT + 1
    assert rows[0]["time"].endswith("Z") and len(rows[0]["time"]) == 24
    assert path.stat().st_mode & 0o777 == 0o600
    assert len(path.read_bytes().splitlines()) == 3


@given(st.text())
def test_a_row_is_one_line_of_ascii(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    path = tmp_path_factory.mktemp("audit") / "a"
    AuditLog(path).append(text, value=text)
    assert path.read_bytes().count(b"\n") == 1
    assert path.read_bytes().isascii()
    assert next(iter(read_audit(path)))["action"] == text


def test_the_log_does_not_grow_without_bound(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path, max_bytes=500)
    for number in range(50):
        log.append("n", number=number)
    assert path.stat().st_size <= 500
    assert rotated(path).stat().st_size <= 500
    numbers = [row["number"] for row in read_audit(path)]
    assert numbers == list(range(numbers[0], 50))


def test_a_follower_misses_nothing_when_the_log_is_moved_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "log" / "audit.jsonl"
    log = AuditLog(path, max_bytes=900)
    log.append("before")

    def rotate() -> None:
        log.append("last of the old")
        log.append("first of the new", text="x" * 300)
        assert "before" in rotated(path).read_text()

    def tear() -> None:
        with path.open("a") as file:
            file.write("torn")

    steps = [
        lambda: log.append("one"),
        rotate,
        tear,
        lambda: log.append("after the tear"),
        lambda: shutil.rmtree(path.parent),
    ]
    monkeypatch.setattr("terok_sandbox.audit.time", SimpleNamespace(sleep=lambda _: steps.pop(0)()))
    seen = [row["action"] for row in follow_audit(path)]
    wanted = ["one", "last of the old", "first of the new", "unreadable", "log_resumed", "after the tear"]
    assert seen == wanted


def test_what_is_no_file_of_ours_is_not_written_to(tmp_path: Path) -> None:
    target = tmp_path / "target"
    (tmp_path / "link").symlink_to(target)
    os.mkfifo(tmp_path / "pipe")
    for name in ("link", "pipe", "."):
        with pytest.raises(AuditError):
            AuditLog(tmp_path / name).append("x")
    assert not target.exists()


def test_a_full_disk_is_an_error() -> None:
    with pytest.raises(AuditError):
        AuditLog(Path("/dev/full")).append("x")


def test_torn_rows_are_visible(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    path.write_text('{"action":"a"}\n{"action":\n[]\n')
    assert list(read_audit(path)) == [
        {"action": "a"},
        {"action": "unreadable", "line": 2},
        {"action": "unreadable", "line": 3},
    ]
    assert list(read_audit(tmp_path / "none")) == []
