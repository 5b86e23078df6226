from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest
from terok_sandbox.audit import read_audit
from terok_sandbox.errors import AuditError
from terok_sandbox.vault import ledger
from terok_sandbox.vault.ledger import Ledger


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.005)


async def test_a_row_is_in_the_file_at_once_and_all_rows_of_a_moment_share_a_write_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "audit.jsonl", []
    real = ledger._write_out
    monkeypatch.setattr(ledger, "SYNC_SECONDS", 0.01)
    monkeypatch.setattr(ledger, "_write_out", lambda path: (real(path), synced.append(path.stat().st_size)))
    log = Ledger(path, "box")
    for number in range(100):
        log.write("request", number=number)
        assert sum(1 for _ in read_audit(path)) == number + 1
    await until(lambda: bool(synced))
    assert synced == [path.stat().st_size]
    log.write("request")
    log.close()
    assert synced[-1] == path.stat().st_size
    await asyncio.sleep(0.05)
    assert len(synced) == 2, "a closed ledger does nothing more"


async def test_after_a_failed_write_out_nothing_is_released_until_one_succeeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(_: Path) -> None:
        raise OSError(5, "Input/output error")

    def refuses() -> bool:
        try:
            log.check()
        except AuditError as exc:
            return "Input/output error" in exc.message
        return False

    monkeypatch.setattr(ledger, "SYNC_SECONDS", 0.01)
    log = Ledger(tmp_path / "audit.jsonl", "box")
    with monkeypatch.context() as broken_disk:
        broken_disk.setattr(ledger, "_write_out", broken)
        log.write("request")
        await until(refuses)
    await until(lambda: not refuses())
    log.close()


async def test_a_log_that_is_moved_away_is_found_out_by_the_next_row(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, synced = tmp_path / "audit.jsonl", []
    real = ledger._write_out
    monkeypatch.setattr(ledger, "SYNC_SECONDS", 0.01)
    monkeypatch.setattr(ledger, "_write_out", lambda path: (real(path), synced.append(path)))
    log = Ledger(path, "box")
    log.write("request")
    path.rename(tmp_path / "away")
    await until(lambda: bool(synced))
    await asyncio.sleep(0)
    log.check()
    log.write("request")
    assert [row["action"] for row in read_audit(path)] == ["log_replaced", "request"]
    log.close()


async def test_the_row_of_an_ended_request_is_written_with_the_next_row_or_before_the_loop_waits(
    tmp_path: Path,
) -> None:
    path = tmp_path / "audit.jsonl"
    log = Ledger(path, "box")

    def actions() -> list[object]:
        return [(row["action"], row["request"]) for row in read_audit(path)]

    first, second, third = log.begin(), log.begin(), log.begin()
    assert log.release(first) is None and log.release(second) is None
    log.finish(first)
    log.finish(second)
    expected = [("request", first.number), ("request", second.number)]
    assert actions() == expected
    assert log.release(third) is None
    expected += [("response", first.number), ("response", second.number), ("request", third.number)]
    assert actions() == expected
    log.finish(third)
    await asyncio.sleep(0)
    assert actions() == [*expected, ("response", third.number)]
    log.finish(fourth := log.begin())
    log.close()
    assert actions()[-1] == ("response", fourth.number)
