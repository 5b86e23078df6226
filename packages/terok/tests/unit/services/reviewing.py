"""A real gate with a task's work in it, for tests of reviews."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

from terok.model.task import Task
from terok.services import Reviews, Tasks
from terok.services.gates import Work
from terok_sandbox import GitGate, SandboxConfig

PLAIN = "git -c core.hooksPath=/dev/null receive-pack"


@dataclass
class Agent:
    """A clone of the gate in which an agent works, and what a person has of it."""

    tasks: Tasks
    reviews: Reviews
    task: Task
    gate: GitGate
    path: Path
    upstream: Path

    @property
    def work(self) -> Work:
        self.reviews.look_again(self.gate.scope)
        return self.reviews.find(self.task.id)

    def git(self, *words: str, at: Path | None = None) -> str:
        env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
        for who in ("AUTHOR", "COMMITTER"):
            env |= {f"GIT_{who}_NAME": "a", f"GIT_{who}_EMAIL": "a@example.org"}
        done = subprocess.run(["git", "-C", str(at or self.path), *words], env=env, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def commit(self, files: dict[str, str | bytes | None], message: str = "Change", *, at: Path | None = None) -> str:
        for name, content in files.items():
            place = (at or self.path) / name
            place.parent.mkdir(parents=True, exist_ok=True)
            if content is None:
                place.unlink()
            else:
                place.write_bytes(content if isinstance(content, bytes) else content.encode())
        self.git("add", "-A", "--force", at=at)
        self.git("commit", "-q", "-m", message, at=at)
        return self.git("rev-parse", "HEAD", at=at)

    def another(self, message: str, files: dict[str, str | bytes | None]) -> Agent:
        """Return the agent of another task, which has pushed one commit to a branch from the same start."""
        task = new_task(self.tasks)
        path = self.path.with_name(task.id)
        self.git("clone", "-q", str(self.gate.path), str(path), at=self.path)
        other = Agent(self.tasks, self.reviews, task, self.gate, path, self.upstream)
        other.commit(files, message)
        other.push()
        return other

    def push(self, *words: str) -> None:
        branch = f"HEAD:refs/heads/terok/{self.task.id}"
        self.git("push", "-q", f"--receive-pack={PLAIN}", *words, "origin", branch)

    def move_upstream(self, files: dict[str, str | bytes | None]) -> None:
        """Let somebody else commit to the upstream's main branch, and sync."""
        other = self.upstream.with_name("other")
        if not other.exists():
            self.git("clone", "-q", str(self.upstream), str(other), at=self.upstream)
        self.commit(files, "Upstream moves", at=other)
        self.git("push", "-q", "origin", "main", at=other)
        self.gate.sync()
        self.git("fetch", "-q", "origin")


def new_task(tasks: Tasks) -> Task:
    task, _ = tasks.create("web", "Do it")
    with tasks.store.write() as writer:
        writer.change(task.id, "x", scope="web", branch=f"terok/{task.id}")
    return tasks.store.task(task.id)


def make_agent(tasks: Tasks, place: Path, files: dict[str, str | bytes | None]) -> Agent:
    """Make an upstream with these files, its gate `web`, and a task with a clone of it."""
    task = new_task(tasks)
    config = SandboxConfig.load()
    upstream = place / "upstream.git"
    agent = Agent(tasks, Reviews(tasks, config), task, None, place / "agent", upstream)  # type: ignore[arg-type]
    place.mkdir(exist_ok=True)
    subprocess.run(["git", "init", "-q", "--bare", "-b", "main", str(upstream)], check=True)
    first = place / "first"
    subprocess.run(["git", "clone", "-q", str(upstream), str(first)], check=True, capture_output=True)
    agent.git("checkout", "-q", "-b", "main", at=first)
    agent.commit(files, "Start", at=first)
    agent.git("push", "-q", "origin", "main", at=first)
    agent.gate = GitGate("web", base=config.gate_base_path, upstream=str(upstream), config=config)
    agent.gate.sync()
    agent.git("clone", "-q", str(agent.gate.path), str(agent.path), at=place)
    return agent
