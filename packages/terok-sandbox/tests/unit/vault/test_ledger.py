from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from terok_sandbox.audit import read_audit
from terok_sandbox.errors import AuditError
from terok_sandbox.vault import ledger
from terok_sandbox.vault.ledger import Ledger


@pytest.mark.parametrize("slow", [False, True])
async def test_rows_that_come_together_share_a_write_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, slow: bool
) -> None:
    write_outs = []
    real = ledger._write_out
    monkeypatch.setattr(ledger, "_write_out", lambda path: (write_outs.append(path), real(path)))
    if slow:
        monkeypatch.setattr(ledger, "SLOW_SECONDS", -1.0)
    log = Ledger(tmp_path / "audit.jsonl", "box")
    for _ in range(2):
        await asyncio.gather(*(log.commit("request", number=number) for number in range(50)))
    log.close()
    assert len(list(read_audit(tmp_path / "audit.jsonl"))) == 100 and len(write_outs) <= 4


async def test_a_failed_write_out_fails_every_row_of_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(_: Path) -> None:
        raise OSError(28, "No space left on device")

    log = Ledger(tmp_path / "audit.jsonl", "box")
    monkeypatch.setattr(ledger, "_write_out", full)
    results = await asyncio.gather(*(log.commit("request") for _ in range(3)), return_exceptions=True)
    assert [type(result) for result in results] == [AuditError] * 3
    monkeypatch.undo()
    await log.commit("request")
    log.close()
