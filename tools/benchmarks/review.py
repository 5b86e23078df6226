"""A review of 200 files and 10,000 changed lines: its first page beside git's own diff, and the next round.

    tools/bench review [--rounds N]

A branch is made in a mirror, and the same branch once more, rebased and with one more change. The processor time of
`terok review TASK` until its first page is read, when the pipe is closed, less that of `git diff-tree --patch`, may be
150 ms, for a look at what the gate has inspected before; the first look after a push inspects it, and is printed beside
it. `--since-last` across the rebase has 1 s, to its end. The least of the rounds counts.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

from terok.services import Tasks
from terok_sandbox import GitGate, SandboxConfig

FILES, LINES, CHANGED, PAGE = 200, 200, 25, 50
BUDGET, ROUND_BUDGET = 0.150, 1.0
TEROK = Path(sys.executable).parent / "terok"
PLAIN = "git -c core.hooksPath=/dev/null receive-pack"


def git(where: Path, *words: str) -> str:
    """Run git as a person does."""
    env = {"PATH": os.environ["PATH"], "HOME": "/nonexistent", "GIT_CONFIG_NOSYSTEM": "1"}
    for who in ("AUTHOR", "COMMITTER"):
        env |= {f"GIT_{who}_NAME": "a", f"GIT_{who}_EMAIL": "a@example.org"}
    done = subprocess.run(["git", "-C", str(where), *words], env=env, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def write(where: Path, mark: str) -> None:
    """Write the files, with some lines of each replaced by `mark`."""
    for number in range(FILES):
        lines = [f"def function_{number}_{line}(): return {line}\n" for line in range(LINES)]
        if mark:
            lines[10 : 10 + CHANGED] = [f"{mark} = {line}  # {number}\n" for line in range(CHANGED)]
        file = where / f"src/package_{number % 20}/module_{number}.py"
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text("".join(lines))


def commit(where: Path, message: str) -> None:
    """Commit all there is."""
    git(where, "add", "-A")
    git(where, "commit", "-q", "-m", message)


def prepare(root: Path) -> tuple[str, Path, Path]:
    """Make a project, its gate, a task and its branch; return the task, its clone and the mirror."""
    os.environ["TEROK_ROOT"] = str(root)
    (root / "run").mkdir(parents=True, mode=0o700)
    project = root / "config/projects/web/project.yml"
    project.parent.mkdir(parents=True)
    project.write_text("git: {upstream: /nowhere}\nagent: {name: demo}\n")
    upstream, clone = root / "upstream.git", root / "clone"
    upstream.mkdir()
    clone.mkdir()
    git(upstream, "init", "-q", "--bare", "-b", "main")
    git(clone, "init", "-q", "-b", "main")
    write(clone, "")
    commit(clone, "Start")
    git(clone, "push", "-q", str(upstream), "main")
    config = SandboxConfig.load()
    gate = GitGate("web", base=config.gate_base_path, upstream=str(upstream), config=config)
    gate.sync()
    with Tasks() as tasks:
        task, _ = tasks.create("web", "Work", start=False)
        with tasks.store.write() as writer:
            writer.change(task.id, "bench", scope="web", branch=f"terok/{task.id}")
    git(clone, "checkout", "-q", "-b", "work")
    write(clone, "changed")
    commit(clone, "Work")
    push(clone, gate.path, task.id)
    return task.id, clone, gate.path


def push(clone: Path, mirror: Path, task: str) -> None:
    """Push the branch of the task into its mirror."""
    git(clone, "push", "-q", "--force", f"--receive-pack={PLAIN}", str(mirror), f"HEAD:refs/heads/terok/{task}")


def rebase(clone: Path, mirror: Path, root: Path) -> None:
    """Let the upstream move, and the branch follow it with one more change."""
    git(clone, "checkout", "-q", "main")
    (clone / "other.txt").write_text("theirs\n")
    commit(clone, "Theirs")
    git(clone, "push", "-q", str(root / "upstream.git"), "main")
    GitGate.open("web", base=mirror.parent).sync()
    git(clone, "checkout", "-q", "work")
    git(clone, "rebase", "-q", "main")
    (clone / "src/package_0/module_0.py").write_text("all = 'new'\n")
    commit(clone, "More")


def seconds(*words: str | Path, rounds: int = 1, page: bool = False) -> float:
    """Return the least processor time of a command and what it starts, to its end or to its first page."""
    best = float("inf")
    for _ in range(rounds):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        with subprocess.Popen(
            [str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as child:
            assert child.stdout is not None
            if page:
                for _ in range(PAGE):
                    child.stdout.readline()
            else:
                child.stdout.read()
        assert page or child.returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return best


def main() -> int:
    """Measure and print; 1 if a budget was missed."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    with tempfile.TemporaryDirectory(prefix="terok-bench-") as place:
        root = Path(place)
        task, clone, mirror = prepare(root)
        first = seconds(TEROK, "review", task)
        plain = seconds("git", f"--git-dir={mirror}", "diff-tree", "-r", "-p", "main", f"terok/{task}", rounds=rounds)
        bare = seconds(sys.executable, "-c", "pass", rounds=rounds)
        paged = seconds(TEROK, "review", task, rounds=rounds, page=True)
        whole = seconds(TEROK, "review", task, rounds=rounds)
        rebase(clone, mirror, root)
        push(clone, mirror, task)
        seconds(TEROK, "review", task, "--json")
        since = seconds(TEROK, "review", task, "--since-last", rounds=rounds)
    rows = [
        ("git's own diff", plain, None),
        ("a bare interpreter", bare, None),
        ("the first look after a push", first, None),
        ("a look to its first page, less git's own diff", paged - plain, BUDGET),
        ("all of it, less git's own diff", whole - plain, None),
        ("the next round, across a rebase", since, ROUND_BUDGET),
    ]
    missed = 0
    for name, value, budget in rows:
        over = budget is not None and value >= budget
        missed += over
        limit = "" if budget is None else f"  budget {budget * 1000:.0f} ms{'  MISSED' if over else ''}"
        print(f"{name:46} {value * 1000:7.0f} ms{limit}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
