from __future__ import annotations

import json
from pathlib import Path

import pytest
from terok_sandbox.audit import timestamp
from terok_sandbox.vault.usage import journal as module
from terok_sandbox.vault.usage.journal import UsageJournal, read_rows, read_usage
from terok_sandbox.vault.usage.rows import MAX_GROUPS, Totals, put_together, totals_of


def opened(number: int, cost: int = 100) -> dict[str, object]:
    return {
        "time": timestamp(),
        "provider": "p",
        "model": "m",
        "id": number,
        "pending_tokens": 10,
        "pending_nano": cost,
    }


def settled(number: int, model: str = "m") -> dict[str, object]:
    return {"provider": "p", "model": model, "settles": number, "input": 3, "output": 4, "cost_nano": 7, "sent": 50}


def shown(path: Path) -> Totals:
    return sum((totals_of(row) for row in read_usage(path)), Totals())


def test_what_is_open_is_pending_and_what_is_settled_is_used(tmp_path: Path) -> None:
    path = tmp_path / "box.jsonl"
    it = UsageJournal(path, "task")
    it.append(opened(1))
    it.append(opened(2))
    it.append(settled(1))
    it.refresh("project")
    assert it.used["task"] == it.used["project"] == Totals(2, 7, 50, 7)
    assert it.pending["task"] == it.pending["project"] == Totals(0, 10, 0, 100)
    assert shown(path) == Totals(2, 17, 50, 107), "what was never settled is shown with the most it may have cost"
    other = UsageJournal(path.with_name("other.jsonl"), "another")
    other.refresh("project")
    assert other.pending["project"].cost == 100 and other.pending["task"] == Totals(), "others of the project see it"
    again = UsageJournal(path, "task")
    again.refresh("project")
    assert again.used["task"] == Totals(2, 17, 50, 107) and again.pending["task"] == Totals(), "a dead broker's is used"


def test_what_nobody_settles_for_hours_is_used(tmp_path: Path) -> None:
    gone, it = UsageJournal(tmp_path / "gone.jsonl", "other"), UsageJournal(tmp_path / "box.jsonl", "task")
    gone.append(opened(1) | {"time": "2020-01-01T00:00:00.000Z"})
    gone.append(opened(2))
    it.refresh("project")
    assert (it.used["project"].cost, it.pending["project"].cost) == (100, 100)
    gone.append(settled(1))
    it.refresh("project")
    assert (it.used["project"].cost, it.pending["project"].cost) == (7, 100)


def test_a_journal_that_has_grown_is_put_together(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 20_000)
    path, largest = tmp_path / "box.jsonl", 0
    it, reader = UsageJournal(path, "task"), UsageJournal(path.with_name("other.jsonl"), "task")
    it.append(opened(0))
    for number in range(1, 2000):
        it.append(opened(number))
        it.append(settled(number, model=f"model-{number % 3}"))
        largest = max(largest, path.stat().st_size)
        if number % 50 == 0:
            for journal in (it, reader):
                journal.refresh("project")
                expected = Totals(number + 1, number * 7, number * 50, number * 7)
                assert journal.used["project"] == journal.used["task"] == expected
                assert journal.pending["project"] == Totals(0, 10, 0, 100)
    assert largest < 20_500 and path.stat().st_mode & 0o777 == 0o600
    assert shown(path) == Totals(2000, 1999 * 7 + 10, 1999 * 50, 1999 * 7 + 100)
    it.append(settled(0))
    assert shown(path) == Totals(2000, 2000 * 7, 2000 * 50, 2000 * 7)
    assert any("id" in row for row in read_rows(path)), "the newer half stays as it is"
    UsageJournal(path, "").put_together()
    assert shown(path) == Totals(2000, 2000 * 7, 2000 * 50, 2000 * 7) and len(list(read_rows(path))) <= 6
    it.append(settled(1))
    assert len(list(read_rows(path))) <= 7, "who had the file open goes on in the new one"
    UsageJournal(path.with_name("missing.jsonl"), "").put_together()


def test_invented_names_of_models_do_not_make_it_grow(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "MAX_BYTES", 400_000)
    path = tmp_path / "box.jsonl"
    it = UsageJournal(path, "task")
    for number in range(5000):
        it.append({"provider": "p", "model": f"invented-{number}", "input": 1, "cost_nano": 2, "estimated": True})
    rows = list(read_rows(path))
    assert path.stat().st_size < 401_000 and len(rows) < 5000
    assert sum(row.get("input", 0) for row in rows) == 5000 and len(put_together(rows)) == MAX_GROUPS + 1
    assert all(row["estimated"] for row in rows)
    text = path.read_text()
    path.write_text(text + "torn")
    it.append({"provider": "p", "input": 1})
    assert json.loads(path.read_text().splitlines()[-1])["input"] == 1


def test_what_is_put_together_keeps_its_days_and_how_it_is_paid_for() -> None:
    rows = [
        {
            "task": "t",
            "provider": "p",
            "model": "m",
            "input": 1,
            "time": f"2026-01-0{day}T10:00:00Z",
            "billing": billing,
        }
        for day in (1, 2)
        for billing in ("metered", "plan", "plan")
    ]
    kept = [(row["time"][:10], row["billing"], row["requests"], row["input"]) for row in put_together(rows)]
    assert kept == [
        ("2026-01-01", "metered", 1, 1),
        ("2026-01-01", "plan", 2, 2),
        ("2026-01-02", "metered", 1, 1),
        ("2026-01-02", "plan", 2, 2),
    ]
