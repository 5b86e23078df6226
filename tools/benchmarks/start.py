"""Start of the command lines (help, version, completion) against a bare interpreter.

Verbs and options are completed from the tree alone; names of projects, tasks, agents, presets and keys come from a
private terok with a thousand tasks, and have a budget of their own.

    tools/bench start [--rounds N]

Processor time, the least of several turns: what else the machine does hardly counts. Budgets: ARCHITECTURE, section 6.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
from pathlib import Path

BIN = Path(sys.executable).parent
BUDGET, OF_NAMES = 2.2, 4.0
BARE = (sys.executable, "-c", "pass")
COMMANDS: dict[str, tuple[str, ...]] = {
    f"{program} {option}": (str(BIN / program), option)
    for program in ("terok", "terokctl", "terok-executor", "terok-sandbox", "terok-acp")
    for option in ("--help", "--version")
}


STATIC = ("exec", "task ru", "task list --", "executor run --")
NAMES = (
    "task run ",
    "task stop ",
    "task stop web ",
    "task run web --agent ",
    "task run web --preset ",
    "config explain ",
)
"""Command lines of `terok` on which the tab key is pressed."""
PROJECT = "git: {upstream: /nonexistent}\nagent: {name: demo}\npresets:\n  long: {run: {timeout: 7200}}\n"


def populate(root: Path) -> None:
    """Make a project and a thousand tasks below `root`."""
    from terok.model.task import Task
    from terok.store import Store

    for place in ("state", "run", "config/projects/web"):
        (root / place).mkdir(mode=0o700, parents=True)
    (root / "config/projects/web/project.yml").write_text(PROJECT)
    with Store() as store, store.write() as write:
        for number in range(1000):
            name = {"id": f"a{number:07d}", "name": f"task-{number}", "project": "web"}
            write.add_task(Task(**name, agent="demo", mode="headless", created=float(number)), {})


def cost(argv: tuple[str, ...], extra: dict[str, str]) -> float:
    """Run a command to its end and return the processor time it took, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, check=False, capture_output=True, timeout=60, env={**os.environ, **extra})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def measure(wanted: dict[str, tuple[tuple[str, ...], dict[str, str]]], least: dict[str, float], rounds: int) -> None:
    """Run every command `rounds` times, in turns, and note the least each has cost."""
    for _ in range(rounds):
        least["bare"] = min(least["bare"], cost(BARE, {}))
        for name, (argv, extra) in wanted.items():
            least[name] = min(least[name], cost(argv, extra))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="turns, each with every command")
    rounds = parser.parse_args().rounds
    wanted = {name: (argv, {}) for name, argv in COMMANDS.items()}
    completing = {"_TEROK_COMPLETE": "zsh"}
    for line in (*STATIC, *NAMES):
        wanted[f"terok {line}<TAB>"] = ((str(BIN / "terok"), *line.split(" ")), completing)
    least = dict.fromkeys(["bare", *wanted], float("inf"))
    with tempfile.TemporaryDirectory(prefix="bench-start-") as root:
        os.environ["TEROK_ROOT"] = root
        populate(Path(root))
        measure(wanted, least, rounds)
    print(f"{'bare interpreter':38} {least['bare'] * 1000:6.1f} ms")
    missed = 0
    for name in wanted:
        ratio = least[name] / least["bare"]
        budget = OF_NAMES if name.removeprefix("terok ").removesuffix("<TAB>") in NAMES else BUDGET
        missed += ratio > budget
        print(f"{name:38} {least[name] * 1000:6.1f} ms  {ratio:5.2f} x  budget {budget}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
