"""`terok usage` over 100,000 requests: the first look, the next one, and one after something was used.

    tools/bench usage [--rounds N]

The journals are those of 100 containers, as their brokers write them. Processor time; of the next looks the median
ratio to a bare interpreter, each right after one. The first look reads everything and is for information.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from cli import BARE, OF_BARE, cost
from terok.store import Store
from terok_sandbox import SandboxConfig

CONTAINERS, REQUESTS = 100, 1000
MODELS = ("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5", "gpt-5")
MOST_SECONDS = 0.3
TEROK = (str(Path(sys.executable).parent / "terok"), "usage")


def rows(container: int, numbers: range) -> str:
    """Return the rows of requests, an opening one and a settling one each."""
    lines = []
    for number in numbers:
        hour, minute = divmod(number, 60)
        head = {"task": f"t{container}", "run": "abcd1234", "container": f"box{container}", "provider": "anthropic",
                "time": f"2026-01-{1 + container % 28:02d}T{hour % 24:02d}:{minute:02d}:00.000Z",
                "model": MODELS[number % 4], "billing": "metered", "credential_set": "default",
                "audit": f"abcdef-{number}"}  # fmt: skip
        opened = {**head, "id": number, "pending_tokens": 12_345, "pending_nano": 123_456_789}
        settled = {**head, "input": 1234, "output": 567, "cache_read": 8910, "cache_write": 11, "cache_write_1h": 0,
                   "cost_nano": 1_234_567, "status": 200, "duration_ms": 1234, "settles": number,
                   "price": "2026-01-01", "sent": 4567, "received": 8910}  # fmt: skip
        lines += [json.dumps(row, separators=(",", ":")) + "\n" for row in (opened, settled)]
    return "".join(lines)


@contextmanager
def journals() -> Iterator[Path]:
    """Make the journals in a terok of their own; yield one of them."""
    with tempfile.TemporaryDirectory(prefix="bench-usage-") as folder:
        os.environ["TEROK_ROOT"] = folder
        for name in ("TEROK_SANDBOX_STATE_DIR", "TEROK_SANDBOX_RUNTIME_DIR", "TEROK_VAULT_DIR"):
            os.environ.pop(name, None)
        (Path(folder) / "run").mkdir(mode=0o700)
        base = SandboxConfig(runtime_dir=Path(folder) / "run").usage_dir
        for container in range(CONTAINERS):
            path = base / f"project{container % 7}" / f"box{container}.jsonl"
            path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
            path.write_text(rows(container, range(REQUESTS)))
        Store().close()
        yield path


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/bench usage", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    missed = 0
    with journals() as path:
        first, done = cost(TEROK)
        total = done.stdout.decode().splitlines()[-1]
        if f"{CONTAINERS * REQUESTS:,}" not in total:
            raise SystemExit(f"not everything was counted: {total} {done.stderr.decode()[:200]}")
        print(f"info    the first look {first * 1e3:7.1f} ms, {path.stat().st_size * CONTAINERS / 2**20:.0f} MiB")
        for name in ("the next look", "after use"):
            ratios, times = [], []
            for number in range(rounds):
                if name == "after use":
                    with path.open("a") as file:
                        file.write(rows(99, range(REQUESTS + number * 10, REQUESTS + number * 10 + 10)))
                bare, (mine, _) = cost(BARE)[0], cost(TEROK)
                ratios.append(mine / bare)
                times.append(mine)
            ratio, least = statistics.median(ratios), min(times)
            late = ratio > OF_BARE or least > MOST_SECONDS
            missed += late
            said = "MISSED" if late else "ok"
            print(
                f"{said:7} {name:14} {least * 1e3:7.1f} ms {ratio:6.2f} x bare, budget {OF_BARE:g} and {MOST_SECONDS} s"
            )
    print(f"load {os.getloadavg()[0]:.1f}, {missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
