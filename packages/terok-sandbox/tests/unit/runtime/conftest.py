"""A stand-in for the podman program: it says what a test tells it to and records what it was asked."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = """#!/usr/bin/env python3
import json, pathlib, sys, time
base = pathlib.Path(__file__).parent
with (base / "asked").open("a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
answers = json.loads((base / "answers").read_text())
answer = answers.get(sys.argv[1], {"code": 99, "err": "Error: unexpected"})
time.sleep(answer.get("delay", 0))
sys.stdout.write(answer.get("out", ""))
sys.stderr.write(answer.get("err", ""))
sys.exit(answer.get("code", 0))
"""


class FakePodman:
    def __init__(self, directory: Path) -> None:
        self.directory = directory

    def says(self, **answers: dict[str, object]) -> None:
        (self.directory / "answers").write_text(json.dumps(answers))

    @property
    def asked(self) -> list[list[str]]:
        log = self.directory / "asked"
        return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


@pytest.fixture
def fake_podman(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FakePodman]:
    directory = tmp_path / "bin"
    directory.mkdir()
    program = directory / "podman"
    program.write_text(PROGRAM)
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")

    def make(**answers: dict[str, object]) -> FakePodman:
        fake = FakePodman(directory)
        fake.says(**answers)
        return fake

    return make
