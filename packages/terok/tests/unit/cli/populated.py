"""A person's terok with something to tell of: a project, its mirror, tasks, operations, a credential; no Podman."""

from __future__ import annotations

import subprocess
import time
from pathlib import Path
from typing import Any

from terok.cli import main
from terok.model.claims import Claim
from terok.model.facts import Process
from terok.model.race import Attempt, Race
from terok.model.task import Task
from terok.store import Store
from terok.store.races import add_race
from terok_sandbox import GitGate, SandboxConfig

GIT = ("git", "-c", "user.name=T", "-c", "user.email=t@example.org", "-c", "init.defaultBranch=main")
CONFIG = "credentials:\n  passphrase_command: [echo, a-passphrase-of-a-test]\n"
PROJECT = """\
name: web
git: {{upstream: {upstream}}}
agent: {{name: demo}}
presets:
  long:
    run: {{timeout: 7200}}
"""
FIRST, SECOND, THIRD = "a2345678", "b2345678", "c2345678"
RACE, OTHER_RACE = "r2345678", "s2345678"


def git(directory: Path, *words: str) -> str:
    return subprocess.run([*GIT, *words], cwd=directory, check=True, capture_output=True, text=True).stdout


def upstream(place: Path) -> Path:
    place.mkdir()
    git(place, "init", "-q")
    (place / "README.md").write_text("hello\n")
    git(place, "add", ".")
    git(place, "commit", "-q", "-m", "Begin")
    return place


def populate(root: Path) -> Path:
    """Fill `root`, which is the value of TEROK_ROOT; returns the upstream of the project `web`."""
    for place in ("state/sandbox", "state/executor", "state/vault", "run", "config"):
        (root / place).mkdir(mode=0o700, parents=True, exist_ok=True)
    (root / "config/config.yml").write_text(CONFIG)
    source = upstream(root / "upstream")
    answers = root / "answers.yml"
    answers.write_text(PROJECT.format(upstream=source))
    assert main(["project", "wizard", "--answers", str(answers)]) == 0
    broken = root / "config/projects/broken"
    broken.mkdir()
    (broken / "project.yml").write_text("nosuch: 1\n")
    config = SandboxConfig.load()
    mirror = GitGate("web", base=config.gate_base_path, upstream=str(source), config=config).sync().path
    git(root, "clone", "-q", str(source), "work")
    (root / "work/README.md").write_text("hello again\n")
    git(root / "work", "commit", "-q", "-a", "-m", "Say it again")
    git(root / "work", "push", "-q", str(mirror), f"HEAD:refs/heads/terok/{SECOND}")
    now = time.time()
    with Store() as store, store.write() as write:
        for number, (task_id, name) in enumerate(((FIRST, "calm-otter"), (SECOND, "brave-elk"), (THIRD, "old-fox"))):
            task: dict[str, Any] = {"id": task_id, "project": "web", "name": name, "agent": "demo", "mode": "headless"}
            task |= {"scope": "web", "prompt": "Fix it", "race": RACE if number else ""}
            write.add_task(Task(**task, created=now - 100 + number), {"agent": "demo"})
        base = git(source, "rev-parse", "HEAD").strip()
        for race, name, tasks in ((RACE, "try", (SECOND, THIRD)), (OTHER_RACE, "gone", ("d2345678",))):
            attempts = [Attempt(race, number, one, f"{name}-{number}", "demo") for number, one in enumerate(tasks, 1)]
            add_race(write, Race(race, name, "web", now - 50, "Fix it", "web", base, "make test"), attempts)
        write.begin(FIRST, f"terok-web-{FIRST}")
        write.observe(FIRST, process=Process(now, "podman", "up"))
        write.claim(FIRST, Claim(now, "question", id="q", text="Which one?", options=("a", "b")))
        write.begin(SECOND, f"terok-web-{SECOND}")
        write.end(SECOND, 0)
        write.change(SECOND, "started", branch=f"terok/{SECOND}")
        write.follow_up(FIRST, "and then this", "queue")
        write.record_operation("delete", SECOND, "task b2 was deleted", {"kind": "x"}, expires=now + 1000)
    return source
