from __future__ import annotations

from pathlib import Path

import pytest
from terok_executor.runner.container_care import capture
from terok_util.process import spawn
from terok_util.process.start import PIPE


def test_a_complete_log_is_there_and_private(tmp_path: Path) -> None:
    dest = tmp_path / "log"
    assert capture(spawn(["sh", "-c", "echo a; echo b"], stdout=PIPE), dest, timeout=10)
    assert dest.read_bytes() == b"a\nb\n"
    assert dest.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("script", ["echo a; exit 1", "echo a; sleep 30"])
def test_a_part_of_a_log_is_no_log(tmp_path: Path, script: str) -> None:
    process = spawn(["sh", "-c", script], stdout=PIPE)
    assert not capture(process, tmp_path / "log", timeout=0.3)
    assert list(tmp_path.iterdir()) == []
    assert process.poll() is not None


def test_a_place_that_cannot_be_written(tmp_path: Path) -> None:
    process = spawn(["sh", "-c", "sleep 30"], stdout=PIPE)
    assert not capture(process, tmp_path / "no" / "log", timeout=1)
    assert list(tmp_path.iterdir()) == []
    assert process.poll() is not None
