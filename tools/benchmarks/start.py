"""Start of the command lines (help, version, completion of a verb) against a bare interpreter.

    tools/bench start [--rounds N]

Processor time, the least of several turns: what else the machine does hardly counts. Budgets: ARCHITECTURE, section 6.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
from pathlib import Path

BIN = Path(sys.executable).parent
BUDGET = 2.2
BARE = (sys.executable, "-c", "pass")
COMMANDS: dict[str, tuple[str, ...]] = {
    f"{program} {option}": (str(BIN / program), option)
    for program in ("terok", "terok-executor", "terok-sandbox", "terok-acp")
    for option in ("--help", "--version")
}


def cost(argv: tuple[str, ...], extra: dict[str, str]) -> float:
    """Run a command to its end and return the processor time it took, in seconds."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(argv, check=False, capture_output=True, timeout=60, env={**os.environ, **extra})
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=25, help="turns, each with every command")
    rounds = parser.parse_args().rounds
    wanted = {name: (argv, {}) for name, argv in COMMANDS.items()}
    wanted["terok exec<TAB>"] = ((str(BIN / "terok"), "exec"), {"_TEROK_COMPLETE": "1"})
    wanted["terok-executor run --<TAB>"] = ((str(BIN / "terok-executor"), "run", "--"), {"_TEROK_COMPLETE": "1"})
    least = dict.fromkeys(["bare", *wanted], float("inf"))
    for _ in range(rounds):
        least["bare"] = min(least["bare"], cost(BARE, {}))
        for name, (argv, extra) in wanted.items():
            least[name] = min(least[name], cost(argv, extra))
    print(f"{'bare interpreter':26} {least['bare'] * 1000:6.1f} ms")
    missed = 0
    for name in wanted:
        ratio = least[name] / least["bare"]
        missed += ratio > BUDGET
        print(f"{name:26} {least[name] * 1000:6.1f} ms  {ratio:5.2f} x  budget {BUDGET}")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
