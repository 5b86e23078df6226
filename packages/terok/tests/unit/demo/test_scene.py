from __future__ import annotations

import subprocess
from pathlib import Path

from terok.demo import scene


def test_the_task_fails_at_first_and_the_script_repairs_it(tmp_path: Path) -> None:
    repository = tmp_path / "greeting"
    scene.make_repository(repository)
    (branch,) = scene.branch_tips(repository)
    assert branch == "main"

    def sh(command: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            ["bash", "-c", command], check=False, cwd=repository, capture_output=True, text=True, timeout=30
        )

    assert sh("./check.sh").returncode == 1
    assert sh(scene.commands("127.0.0.1", 9)[scene.REPAIR]).stdout == "correct\n"
    changed = sh("git diff --name-only").stdout.split()
    assert changed == ["greet.sh"]


def test_a_live_model_is_told_the_same_steps() -> None:
    prompt = scene.live_prompt("127.0.0.1", 9)
    assert all(command in prompt for command in scene.commands("127.0.0.1", 9))
