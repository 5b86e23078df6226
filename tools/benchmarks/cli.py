"""Read verbs of every command line against a bare interpreter, and against Podman's own where Podman is asked.

    tools/bench cli [--rounds N] [WORD …]

A verb that Podman has to answer for is measured by `podman ps`. Two verbs ask more, on purpose, because a cached answer
would be a lie: `terok-sandbox doctor` asks a service inside each running container, and is measured by `podman ps` and
one `podman exec`; `terok-executor preflight` compares the labels of images, and is measured by `podman images` and
`podman image inspect`.

Processor time of a command and of what it runs, each time right after the bare one; the median of the turns' ratios
counts, so that what else the machine does hardly does. A vault with credentials, a mirror with a branch to review and a
running container are made first, and 1,000 tasks are recorded, of which 50 run. WORDs choose the verbs whose names have
one of them. Budgets: ARCHITECTURE, section 6.
"""

from __future__ import annotations

import argparse
import os
import resource
import secrets
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from job import quietly, repository, stub_provider
from terok.model.facts import Process
from terok.model.ids import new_id
from terok.model.task import Task
from terok.paths import database_path
from terok.store import Store, Writer

BIN = Path(sys.executable).parent
BASE = "mmdebstrap:trixie"
TASKS, RUNNING = 1000, 50
BARE = (sys.executable, "-c", "pass")
OF_BARE, OF_PODMAN = 5.0, 4.0
ANSWERS = (0, 1, 2, 3, 69)
"""Exit codes of verbs that have told something, if only that no controller runs."""
PREFIX = f"bench-{os.getpid()}"
RUNS, LIVES, PROJECT = f"{PREFIX}-ran", f"{PREFIX}-runs", f"{PREFIX}-project"
IMAGE = "localhost/terok-base:trixie"
PODMAN = ("podman", "ps", "--all", "--format", "json")
MEASURES = {
    "bare": (BARE,),
    "podman": (PODMAN,),
    "inside": (PODMAN, ("podman", "exec", LIVES, "true")),
    "images": (("podman", "images"), ("podman", "image", "inspect", IMAGE)),
}
"""What a verb is compared with: commands whose costs are added."""


@dataclass(frozen=True)
class Verb:
    """A command line, and what it is compared with."""

    words: tuple[str, ...]
    measure: str = "bare"

    @property
    def name(self) -> str:
        """The command line as a person writes it."""
        return " ".join(self.words).replace(f"{PREFIX}-", "")

    @property
    def argv(self) -> tuple[str, ...]:
        """What is run."""
        return (str(BIN / self.words[0]), *self.words[1:])


def verbs(scope: str) -> list[Verb]:
    """Return every verb that reads, on what `scene` has made; *scope* is the mirror's name."""
    branch = f"terok/{RUNS}"
    bare = [
        *("terok-executor agents list", "terok-executor agents list --all", "terok-executor agents schema agent"),
        *("terok-executor auth list", "terok-executor auth status demo", "terok-executor show-config"),
        *("terok-executor completions bash", "terok-sandbox vault status", "terok-sandbox vault list"),
        *("terok-sandbox vault audit", "terok-sandbox vault usage", "terok-sandbox vault passphrase show"),
        *("terok-sandbox ssh list", "terok-sandbox gate list", f"terok-sandbox gate path {scope}"),
        *(f"terok-sandbox gate branches {scope}", f"terok-sandbox gate review {scope}"),
        *(f"terok-sandbox gate review {scope} {branch}", f"terok-sandbox gate ops {scope}"),
        *(f"terok-sandbox gate backups {scope}", f"terok-sandbox gate policy {scope}"),
        *(f"terok-sandbox gate access {scope}", f"terok-sandbox shield status {LIVES}"),
        *(f"terok-sandbox shield rules {LIVES}", f"terok-sandbox shield logs {LIVES}"),
        *(f"terok-sandbox shield why example.org --container {LIVES}", "terok-sandbox shield profiles"),
        *(f"terok-sandbox shield check example.org --container {LIVES}", "terok-sandbox clearance list"),
        *("terok-sandbox supervisor status", f"terok-sandbox supervisor status {LIVES}"),
        *("terok review", f"terok review {branch}", "terok vault status", "terok auth list", "terok project list"),
        *("terok task list", "terok task list --json", "terok task list s:working", "terok task status @latest"),
        *("terok task show @latest", "terok task why @latest", "terok status", "terok status -q", "terok op log"),
        *(f"terok project show {PROJECT}", f"terok config resolved {PROJECT}", f"terok shield sets {PROJECT}"),
        *("terok task timeline @latest", "terok agents list", "terok agents dir", f"terok project agents {PROJECT}"),
        *("terok completions zsh", "terokctl status -q", "terok controller status", "terok task list --help"),
        *("terok config paths", f"terok config explain run.memory --project {PROJECT}"),
    ]
    asking = [
        *(
            "terok image list",
            "terok image usage",
            "terok-sandbox list",
            "terok-executor list",
            "terok-executor list --sizes",
        ),
        *(f"terok-executor doctor {LIVES}", "terok-executor doctor", f"terok-executor logs {RUNS}"),
    ]
    measured = {
        "bare": bare,
        "podman": asking,
        "inside": ["terok-sandbox doctor"],
        "images": [f"terok-executor preflight claude --base {BASE}"],
    }
    return [Verb(tuple(text.split()), measure) for measure, texts in measured.items() for text in texts]


@contextmanager
def recorded_tasks() -> Iterator[None]:
    """Put a database with many tasks in the place of the user's while the block runs."""
    place = database_path()
    kept = place.with_name("kept")
    files = [path for path in place.parent.glob(f"{place.name}*") if path.is_file()]
    subprocess.run(["terok", "controller", "stop"], check=False, capture_output=True, timeout=60)
    kept.mkdir(exist_ok=True)
    for path in files:
        path.rename(kept / path.name)
    try:
        with Store() as store, store.write() as writer:
            for number in range(TASKS):
                _record(writer, number)
        yield
    finally:
        subprocess.run(["terok", "controller", "stop"], check=False, capture_output=True, timeout=60)
        for path in place.parent.glob(f"{place.name}*"):
            path.unlink()
        for path in files:
            (kept / path.name).rename(path)
        kept.rmdir()


def _record(writer: Writer, number: int) -> None:
    task_id = new_id(secrets.token_bytes(8))
    about = {"project": f"project-{number % 7}", "name": f"task-{number}", "agent": "demo", "mode": "headless"}
    writer.add_task(Task(id=task_id, created=writer.at - number * 60, prompt="Fix the bug. " * 8, **about), {})
    writer.begin(task_id, f"terok-bench-{task_id}")
    if number < RUNNING:
        writer.observe(task_id, process=Process(writer.at, "podman", "up", since=writer.at))
    else:
        writer.end(task_id, number % 3 // 2)


@contextmanager
def scene() -> Iterator[str]:
    """Make what the verbs have to tell of, and yield the name of the mirror."""
    quietly("terok-executor", "setup")
    quietly("terok-executor", "build", "demo", "--base", BASE)
    key = "real-" + secrets.token_urlsafe(36)
    quietly("terok-executor", "auth", "demo", stdin=key + "\n")
    try:
        with tempfile.TemporaryDirectory(prefix="bench-cli-") as folder:
            project = repository(Path(folder) / PREFIX, files=1)
            with stub_provider("demo", key):
                run = ("terok-executor", "run", "demo", str(project), "-p", "x", "--base", BASE, "--name", RUNS)
                quietly(*run, "--branch", f"terok/{RUNS}")
            quietly("terok-sandbox", "run", "--name", LIVES, "--detach", IMAGE, "sleep", "infinity")
            lines = quietly("terok-sandbox", "gate", "list").splitlines()
            answers = f"name: {PROJECT}\ngit: {{upstream: {project}}}\n"
            quietly("terok", "project", "wizard", "--answers", "-", stdin=answers)
            with recorded_tasks():
                yield next(word for line in lines for word in line.split() if PREFIX in word)
    finally:
        subprocess.run(["terok", "project", "delete", PROJECT], check=False, capture_output=True, timeout=60)
        for name in (RUNS, LIVES):
            subprocess.run(["terok-executor", "rm", name], check=False, capture_output=True, timeout=60)


def cost(argv: tuple[str, ...]) -> tuple[float, subprocess.CompletedProcess[bytes]]:
    """Run a command to its end and return the processor time it took, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(argv, check=False, capture_output=True, stdin=subprocess.DEVNULL, timeout=120)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done


def compared(verb: Verb, rounds: int) -> tuple[float, float]:
    """Return the median ratio of a verb to what it is measured by, and its own least time in seconds."""
    ratios, least = [], float("inf")
    for number in range(rounds + 1):
        theirs = sum(cost(argv)[0] for argv in MEASURES[verb.measure])
        mine, done = cost(verb.argv)
        if done.returncode not in ANSWERS or b"error:" in done.stderr:
            raise SystemExit(f"{verb.name} ended with {done.returncode}: {done.stderr.decode()[:200]}")
        if number:  # the first turn warms caches
            ratios.append(mine / theirs)
            least = min(least, mine)
    return statistics.median(ratios), least


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/bench cli", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="turns, each with every command")
    parser.add_argument("words", nargs="*", metavar="WORD", help="only the verbs with one of these in their name")
    chosen = parser.parse_args()
    with scene() as scope:
        wanted = [verb for verb in verbs(scope) if not chosen.words or any(word in verb.name for word in chosen.words)]
        missed = 0
        for verb in wanted:
            ratio, least = compared(verb, chosen.rounds)
            budget = OF_BARE if verb.measure == "bare" else OF_PODMAN
            missed += ratio > budget
            said = "MISSED" if ratio > budget else "ok"
            print(f"{said:7} {verb.name:58} {least * 1e3:7.1f} ms {ratio:6.2f} x {verb.measure:7} budget {budget:g}")
    print(f"load {os.getloadavg()[0]:.1f}, {missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
