"""A race of three demo agents against three single runs, begun at the same moment and one after the other.

    tools/bench race [--rounds N] [--files N]

In each turn `terok race run -n 3 --wait` of a project, three `terok task run` side by side, and three in a row, all
against the same scripted model; what they leave is deleted between. It is judged by the median of the turns' ratios to
the three side by side, which have both processors as the race has. Budget: ARCHITECTURE, section 6.
"""

from __future__ import annotations

import argparse
import json
import os
import secrets
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from job import PROMPT, make_project, quietly, repository, stub_provider

BUDGET = 1.05
ATTEMPTS = 3


def race(project: str) -> float:
    """Return the seconds of a race, whose attempts have all brought something."""
    words = ("terok", "race", "run", project, PROMPT, "-n", str(ATTEMPTS), "--name", "bench", "--wait", "--json")
    began = time.monotonic()
    document = json.loads(quietly(*words))
    took = time.monotonic() - began
    if any(not row["judgeable"] for row in document["attempts"]):
        raise SystemExit(f"an attempt has brought nothing: {document}")
    quietly("terok", "race", "delete", "bench")
    return took


def side_by_side(project: str) -> float:
    """Return the seconds until three single runs, begun together, have ended."""
    words = ("terok", "task", "run", project, PROMPT, "--json")
    began = time.monotonic()
    runs = [
        subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) for _ in range(ATTEMPTS)
    ]
    said = [run.communicate(timeout=600)[1] for run in runs]
    took = time.monotonic() - began
    if any(run.returncode for run in runs):
        raise SystemExit(f"a single run failed: {said}")
    quietly("terok", "task", "delete", f"p:{project}")
    return took


def in_a_row(project: str) -> float:
    """Return the seconds of three single runs, one after the other."""
    began = time.monotonic()
    for _ in range(ATTEMPTS):
        quietly("terok", "task", "run", project, PROMPT, "--json")
    took = time.monotonic() - began
    quietly("terok", "task", "delete", f"p:{project}")
    return took


def report(rows: list[tuple[float, float, float]]) -> int:
    """Print the figures, each row with the seconds of race, side by side and in a row; 1 if the budget is missed."""
    ratios = [raced / beside for raced, beside, _ in rows]
    ratio = statistics.median(ratios)
    said = "MISSED" if ratio >= BUDGET else "ok"
    spread = f"{min(ratios):.2f} to {max(ratios):.2f} in {len(rows)} turns"
    print(
        f"{said:7} race of {ATTEMPTS}: {ratio:.2f} x {ATTEMPTS} single runs side by side, budget {BUDGET} x ({spread})"
    )
    raced, beside, row = (statistics.median(column) for column in zip(*rows, strict=True))
    print(f"        race {raced:.2f} s, side by side {beside:.2f} s, in a row {row:.2f} s ({raced / row:.2f} x)")
    return int(ratio >= BUDGET)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/bench race", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="turns, each with one of each kind")
    parser.add_argument("--files", type=int, default=300, help="files of the repository")
    chosen = parser.parse_args()
    quietly("terok-executor", "setup")
    key = "real-" + secrets.token_urlsafe(36)
    quietly("terok-executor", "auth", "demo", stdin=key + "\n")
    folder = Path(tempfile.mkdtemp(prefix="bench-race-"))
    name = f"bench-{os.getpid()}"
    rows = []
    try:
        upstream = repository(folder / name, chosen.files)
        with stub_provider("demo", key):
            project = make_project(folder, upstream, "demo")
            for turn in range(chosen.rounds + 1):
                row = (race(project), side_by_side(project), in_a_row(project))
                print(f"        {row[0]:.2f} s raced, {row[1]:.2f} s side by side, {row[2]:.2f} s in a row", flush=True)
                rows += [row] if turn else []  # the first one warms caches
    finally:
        for words in (("controller", "stop"), ("project", "delete", name)):
            subprocess.run(["terok", *words], check=False, capture_output=True, timeout=120)
        shutil.rmtree(folder, ignore_errors=True)
    print(f"load {os.getloadavg()[0]:.1f}")
    return report(rows)


if __name__ == "__main__":
    sys.exit(main())
