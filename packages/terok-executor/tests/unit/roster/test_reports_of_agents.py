"""What agents are said to report is what their configuration has their hooks do."""

from __future__ import annotations

import re
import runpy
from importlib.resources import files
from pathlib import Path
from typing import get_args

import pytest
from terok_executor.roster.loader import load_agents
from terok_executor.roster.spelling import ReportKind

AGENTS = load_agents(Path("/nonexistent"))
IMAGE = files("terok_executor") / "resources" / "image"
HOOK = re.compile(r"""(?:terok-report", |\breport\()"([a-z_]+)""")


@pytest.mark.parametrize("name", sorted(AGENTS))
def test_the_list_is_what_the_files_say(name: str) -> None:
    agent = AGENTS[name]
    texts = [file.content or "" for file in agent.config_files]
    texts += [one.content or (IMAGE / (one.resource or "")).read_text() for one in agent.install.files]
    found = {kind for text in texts for kind in HOOK.findall(text.replace("terok-report ", 'terok-report", "'))}
    assert found == set(agent.reports)


def test_program_and_reader_know_the_same_kinds() -> None:
    assert set(runpy.run_path(str(IMAGE / "terok-report.py"))["KINDS"]) == set(get_args(ReportKind))
