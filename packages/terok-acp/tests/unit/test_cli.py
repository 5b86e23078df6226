from __future__ import annotations

import subprocess
import sys

import pytest
import terok_acp
from terok_acp.cli import main


def test_help_and_version(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    assert "terok-acp" in capsys.readouterr().out
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("terok-acp ")


def test_an_unknown_verb_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["serve"]) == 2
    assert capsys.readouterr().err.startswith("terok-acp: error: ")


def test_the_facade_is_lazy_and_complete() -> None:
    assert all(getattr(terok_acp, name) is not None for name in terok_acp.__all__)
    code = "import sys, terok_acp.cli; print(sorted(set(sys.modules) & {'aiohttp', 'pydantic', 'asyncio', 'argparse'}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=20)
    assert done.stdout.strip() == "[]"
