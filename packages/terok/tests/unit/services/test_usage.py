from __future__ import annotations

import csv
import io
import json
import sqlite3
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest
from terok.cli import main
from terok.services import Tasks
from terok.store import Store
from terok_sandbox import SandboxConfig

from .test_tasks import finished

ROW = {"task": "x", "time": "2026-01-02T03:04:05.000Z", "provider": "p", "model": "m", "input": 5, "cost_nano": 10**9}


def write(project: str, container: str, rows: Iterable[dict[str, Any]], *, torn: str = "") -> Path:
    path = SandboxConfig.load().usage_dir / project / f"{container}.jsonl"
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
        file.write(torn)
    return path


def asked(capsys: pytest.CaptureFixture[str], *words: str) -> dict[str, Any]:
    assert main([*words, "--json"]) == 0
    document: dict[str, Any] = json.loads(capsys.readouterr().out)
    return document


def named(document: dict[str, Any]) -> dict[str, Any]:
    return {one["name"]: one for one in document["rows"]}


def test_the_journals_are_read_by_name_of_task(tasks: Tasks, capsys: pytest.CaptureFixture[str]) -> None:
    task = finished(tasks)
    opened = {**ROW, "run": "r", "id": 1, "pending_tokens": 7, "pending_nano": 2 * 10**9}
    write("web", task.container, [ROW, opened])
    evil = {**ROW, "model": '=HYPERLINK("x")\x1b[2J', "credential_set": "other", "billing": "plan"}
    write("web", "it-alone", [evil], torn='{"torn')
    mine = named(asked(capsys, "usage"))[f"web/{task.name}"]
    assert (mine["requests"], mine["cost_usd"], mine["estimated"]) == (2, 3.0, 1), "the most it may have cost"
    whole = asked(capsys, "task", "usage", task.id)
    assert {**whole["total"], "name": ""} == {**mine, "name": ""}, "both say the same"
    settled = {**ROW, "run": "r", "settles": 1, "output": 3, "duration_ms": 4, "status": 200}
    write("web", task.container, [settled])
    mine = named(asked(capsys, "usage"))[f"web/{task.name}"]
    assert (mine["requests"], mine["cost_usd"], mine["tokens"], mine["estimated"]) == (2, 2.0, 13, 0)
    by = {by: sorted(named(asked(capsys, "usage", "--by", by))) for by in ("agent", "day", "credential", "project")}
    assert by == {"agent": ["-", "demo"], "day": ["2026-01-02"], "credential": ["p/-", "p/other"], "project": ["web"]}
    assert main(["usage", "--by", "model", "--csv"]) == 0
    output = capsys.readouterr().out
    assert "\x1b" not in output
    assert {line[0][:2] for line in csv.reader(io.StringIO(output))} == {"mo", "m", "'="}
    assert main(["usage", "--since", "1d"]) == main(["usage", "--until", "2026-01-02T03:00+00:00"]) == 0
    assert capsys.readouterr().out == "nothing was used\n" * 2
    assert asked(capsys, "usage", "--since", "2026-01-02T03:30+00:00", "--until", "2026-01-02T03:31Z")["rows"]


def test_a_journal_that_was_put_together_or_is_gone(tasks: Tasks, capsys: pytest.CaptureFixture[str]) -> None:
    finished(tasks)
    path = write("web", "one", [ROW] * 4)
    assert asked(capsys, "usage")["total"]["requests"] == 4
    few = {**ROW, "requests": 5, "input": 25, "cost_nano": 5 * 10**9, "retries": 2}
    write("web", "new", [few]).replace(path)
    now = asked(capsys, "usage")["total"]
    assert (now["requests"], now["input"], now["retries"], now["cost_usd"]) == (5, 25, 2, 5.0)
    path.unlink()
    assert not asked(capsys, "usage")["rows"]


def test_it_is_read_once_and_by_the_way(
    tasks: Tasks, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    finished(tasks)
    path = write("web", "one", [ROW] * 3)
    read: list[int] = []

    def further(place: Path, start: int, still_open: Any) -> Any:
        read.append(start)
        return original(place, start, still_open)

    from terok.store import spending

    original = spending.read_further
    monkeypatch.setattr(spending, "read_further", further)
    for _ in range(3):
        assert asked(capsys, "usage")["total"]["requests"] == 3
    size = path.stat().st_size
    write("web", "one", [ROW])
    assert asked(capsys, "usage")["total"]["requests"] == 4
    assert read == [0, size], "only what was appended"


def test_a_database_that_cannot_be_written_hides_nothing(tasks: Tasks, capsys: pytest.CaptureFixture[str]) -> None:
    task = finished(tasks)
    write("web", task.container, [ROW])
    with sqlite3.connect(tasks.store.path) as other:
        other.execute("DROP TABLE usage_sums")
    assert asked(capsys, "usage")["total"]["requests"] == 1
    place = SandboxConfig.load().usage_dir / "web"
    place.chmod(0)
    assert main(["usage"]) != 0 and "web: cannot be read" in capsys.readouterr().err, "which is not nothing"
    place.chmod(0o700)


def test_a_forgotten_task_keeps_its_name(tasks: Tasks, capsys: pytest.CaptureFixture[str]) -> None:
    task = finished(tasks)
    write("web", task.container, [ROW])
    asked(capsys, "usage")
    with tasks.store.write() as writer:
        writer.forget_task(task.id)
    assert list(named(asked(capsys, "usage"))) == [f"web/{task.name}"]
    assert list(named(asked(capsys, "usage", "--by", "agent"))) == ["demo"]


def test_a_person_sees_shares(
    tasks: Tasks, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    rows = [ROW, {**ROW, "cost_nano": 3 * 10**9, "model": "dear"}, {**ROW, "model": "paid", "billing": "plan"},
            {**ROW, "model": "odd", "price_assumed": True}]  # fmt: skip
    write("web", "one", rows)
    assert main(["usage", "--by", "model"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["MODEL", "odd", "dear", "m", "paid", "total", "a"]
    assert lines[2].split()[-2:] == ["$3.0000", "75%"]
    assert lines[4].split()[-4:] == ["plan", "25%", "of", "tokens"] and "?" in lines[1]
    assert lines[-2].endswith("at least $4.0000 + plan")
    assert lines[-1] == "a plan pays for 1 of 4 requests, 25% of the tokens"
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    monkeypatch.setenv("COLUMNS", "110")
    assert main(["usage", "--by", "model"]) == 0
    shown = capsys.readouterr().out
    assert " 75% ███████" in shown and "\x1b" not in shown
    monkeypatch.setenv("COLUMNS", "76")
    monkeypatch.setenv("TERM", "dumb")
    assert main(["usage", "--by", "model", "--until", "2026-02-01"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 76 and "CACHED" not in lines[0] and "█" not in "".join(lines)


def test_nothing_is_made_by_looking(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["usage"]) == 0 and capsys.readouterr().out == "nothing was used\n"
    assert not (root / "state").exists()
    write("web", "one", [ROW])
    assert asked(capsys, "usage")["total"]["requests"] == 1
    assert not Store(create=False).path.exists()
