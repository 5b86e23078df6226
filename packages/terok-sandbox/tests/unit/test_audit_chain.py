from __future__ import annotations

import json
import os
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from terok_sandbox.audit import GENESIS, RESUMED, AuditLog, read_audit, rotated
from terok_sandbox.audit_chain import read_audit_end, select, verify_audit
from terok_sandbox.errors import AuditError


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "box").mkdir()
    return tmp_path / "box/audit.jsonl"


def filled(path: Path, count: int = 6) -> list[bytes]:
    log = AuditLog(path, container="box")
    for number in range(count):
        log.append("request", number=number, provider="a" if number % 2 else "b")
    log.close()
    return path.read_bytes().splitlines(keepends=True)


def test_an_untouched_log_verifies_across_writers(path: Path) -> None:
    assert verify_audit(path).ok and verify_audit(path).head == GENESIS
    filled(path)
    first, second = AuditLog(path), AuditLog(path)
    for number in range(4):
        (first if number % 2 else second).append("turn", number=number)
    report = verify_audit(path)
    assert report.ok and report.rows == 10 and report.complete and not report.torn
    assert report.head == list(read_audit(path))[-1]["hash"]


@pytest.mark.parametrize("change", ["edit", "remove", "swap", "insert", "copy", "strip"])
def test_tampering_is_seen(path: Path, change: str) -> None:
    lines = filled(path)
    if change == "edit":
        lines[2] = lines[2].replace(b'"number":2', b'"number":9')
    elif change == "remove":
        del lines[2]
    elif change == "swap":
        lines[2], lines[3] = lines[3], lines[2]
    elif change == "insert":
        lines.insert(3, b'{"action":"request"}\n')
    elif change == "copy":
        lines.insert(3, lines[2])
    else:
        lines[3] = json.dumps({"action": "request"}).encode() + b"\n"
    path.write_bytes(b"".join(lines))
    report = verify_audit(path)
    assert not report.ok and path.name in report.problems[0]


@given(position=st.integers(0, 10_000), byte=st.integers(0, 255))
@settings(max_examples=60, deadline=None)
def test_no_byte_can_change(tmp_path_factory: pytest.TempPathFactory, position: int, byte: int) -> None:
    path = tmp_path_factory.mktemp("audit") / "a"
    data = b"".join(filled(path))
    position %= len(data) - 1  # the newline at the very end is no part of a row
    changed = data[:position] + bytes([byte]) + data[position + 1 :]
    path.write_bytes(changed)
    assert verify_audit(path).ok == (changed == data)


@given(cut=st.integers(1, 200))
@settings(max_examples=30, deadline=None)
def test_a_torn_line_is_said_and_continued(tmp_path_factory: pytest.TempPathFactory, cut: int) -> None:
    path = tmp_path_factory.mktemp("audit") / "a"
    data = b"".join(filled(path))
    path.write_bytes(data[:-cut])
    torn = int(cut > 1)  # a row that only lacks its newline is whole
    assert verify_audit(path).ok and verify_audit(path).torn == torn
    AuditLog(path).append("later")
    report, rows = verify_audit(path), list(read_audit(path))
    assert report.ok and report.torn == torn and rows[-1]["action"] == "later"
    assert not torn or [row["action"] for row in rows[-3:]] == ["unreadable", RESUMED, "later"]


def test_rotation_keeps_the_chain(path: Path) -> None:
    log, other = AuditLog(path, max_bytes=1500), AuditLog(path, max_bytes=1500)
    for number in range(40):
        (other if number % 7 == 0 else log).append("n", number=number)
    report = verify_audit(path)
    assert report.ok and not report.complete and rotated(path).exists()
    assert [row["number"] for row in read_audit(path)][-1] == 39
    numbers = [row["number"] for row in read_audit(path)]
    assert numbers == list(range(numbers[0], 40))
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[1:]))
    assert not verify_audit(path).ok


@given(count=st.integers(0, 30), limit=st.integers(1, 40), block=st.integers(1, 900), moved=st.booleans())
@settings(max_examples=60, deadline=None)
def test_the_end_of_a_log_is_its_last_rows_however_it_is_read(
    tmp_path_factory: pytest.TempPathFactory, count: int, limit: int, block: int, moved: bool
) -> None:
    path = tmp_path_factory.mktemp("audit") / "a"
    log = AuditLog(path, container="box", max_bytes=1500 if moved else 10**6)
    for number in range(count):
        log.append("n", number=number, text="\r\u2028" * number)
    everything = list(read_audit(path))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("terok_sandbox.audit_chain._BLOCK", block)
        end = read_audit_end(path, limit=limit)
    assert list(end.rows) == everything[-limit:] and end.chain.ok
    assert end.whole == (limit >= len(everything)) and end.chain.rows == len(end.rows)
    if everything:
        later = datetime.fromisoformat(everything[-1]["time"]).timestamp()
        assert read_audit_end(path, limit=limit, since=later + 1).rows == ()


@pytest.mark.parametrize("line", [2, 5])
def test_the_end_of_a_log_shows_tampering_in_it_alone(path: Path, line: int) -> None:
    lines = filled(path)
    lines[line] = lines[line].replace(b'"number":', b'"number":1')
    path.write_bytes(b"".join(lines))
    chain = read_audit_end(path, limit=3).chain
    assert chain.ok == (line == 2) and all("audit.jsonl, byte" in one for one in chain.problems)


def test_rows_from_before_the_chain_are_counted(path: Path) -> None:
    path.write_text('{"action":"old"}\n')
    os.chmod(path, 0o600)
    AuditLog(path).append("new")
    report = verify_audit(path)
    assert report.ok and report.unchained == 1 and report.rows == 2


def test_selecting(path: Path) -> None:
    filled(path)
    assert [row["number"] for row in select(path, provider="a")] == [1, 3, 5]
    assert [row["number"] for row in select(path, provider="a", tail=2)] == [3, 5]
    assert list(select(path, since=datetime.now(UTC) + timedelta(minutes=1))) == []
    assert len(list(select(path, since=datetime.now(UTC) - timedelta(minutes=1)))) == 6


@pytest.mark.parametrize("left", ["nothing", "empty", "forged", "link"])
def test_a_log_that_is_exchanged_while_it_is_written_to_shows_the_break(path: Path, left: str) -> None:
    log, second = AuditLog(path, container="box"), AuditLog(path, container="box")
    for number in range(3):
        log.append("request", number=number)
        second.append("request", number=number)
    away = path.rename(path.with_name("away"))
    if left == "empty":
        path.touch(0o600)
    elif left == "forged":
        AuditLog(path, container="box").append("request", number="invented")
    elif left == "link":
        path.symlink_to(away)
        with pytest.raises(AuditError):
            log.append("request", number=3)
        return
    for number in range(3, 6):
        log.append("request", number=number)
        second.append("request", number=number)
    rows = list(read_audit(path))
    assert [row["number"] for row in rows if "number" in row][-6:] == [3, 3, 4, 4, 5, 5]
    assert "log_replaced" in [row["action"] for row in rows]
    assert len(list(read_audit(away))) == 6, "nothing is written where nobody looks"
    report = verify_audit(path)
    assert not report.ok and "missing" in report.problems[0]


def test_a_log_whose_directory_is_gone_is_not_made_again(path: Path) -> None:
    log = AuditLog(path, container="box")
    log.append("request")
    shutil.rmtree(path.parent)
    with pytest.raises(AuditError, match="gone"):
        log.append("request")
    assert not path.parent.exists()
