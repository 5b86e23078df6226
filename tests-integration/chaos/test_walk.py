"""A short walk of `tools/chaos`: every verb is killed at its steps, in trouble and out of it, and nothing is lost."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

RUNS = 60


def test_what_is_killed_at_any_step_is_picked_up_by_the_next_command() -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("TEROK_")}
    walk = [sys.executable, str(Path(__file__).with_name("walk.py")), "--runs", str(RUNS)]
    done = subprocess.run(walk, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    counted = re.search(r"^(\d+) processes killed in \d+ s: nothing lost", done.stdout, re.MULTILINE)
    assert counted is not None
    assert int(counted[1]) == RUNS
