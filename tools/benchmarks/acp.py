"""ACP: what `connect` and the daemon add to a bare `podman exec`, updates a second, start, memory, a stalled editor.

    tools/bench acp [--rounds N]

A scripted adapter in one container, once by `podman exec` and once the whole way, in the same run. Budgets:
ARCHITECTURE, section 6. Times are of whole processes on both ends of a pipe.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests-integration"))
from acp_box import Box, podman  # noqa: E402

ADDED_P50_MS, ADDED_P99_MS = 0.3, 2.0
UPDATES_A_SECOND = 20_000
INITIALIZE_MS, NEW_SESSION_MS = 150.0, 50.0
MEMORY_MIB, STALLED_MIB = 25.0, 8.0
FLOOD = 60_000


class Wire:
    """A peer at the other end of two pipes."""

    def __init__(self, argv: list[str]) -> None:
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.stdin, self.stdout = self.process.stdin, self.process.stdout
        self.ids = 0

    def send(self, method: str, **params: Any) -> int:
        self.ids += 1
        frame = {"jsonrpc": "2.0", "id": self.ids, "method": method, "params": params}
        self.stdin.write(json.dumps(frame).encode() + b"\n")
        self.stdin.flush()
        return self.ids

    def wait(self, number: int) -> dict[str, Any]:
        """Read to the answer of a request."""
        start = b'"id": %d' % number, b'"id":%d' % number
        while line := self.stdout.readline():
            if any(one in line[:60] for one in start) and b'"method"' not in line[:60]:
                return json.loads(line)["result"]
        raise SystemExit("the peer has hung up")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        return self.wait(self.send(method, **params))

    def prompt(self, key: str, text: str) -> dict[str, Any]:
        return self.call("session/prompt", sessionId=key, prompt=[{"type": "text", "text": text}])

    def open(self) -> str:
        self.call("initialize", protocolVersion=1, clientCapabilities={})
        return self.new()

    def new(self) -> str:
        return str(self.call("session/new", cwd="/workspace", mcpServers=[])["sessionId"])

    def close(self) -> None:
        self.stdin.close()
        self.stdout.close()
        self.process.wait()


@contextmanager
def wire(argv: list[str]) -> Iterator[Wire]:
    one = Wire(argv)
    try:
        yield one
    finally:
        one.close()


def round_trips(one: Wire, key: str, rounds: int) -> list[float]:
    """Return the times, in milliseconds, of prompts that are answered at once."""
    spent = []
    for _ in range(rounds):
        began = time.perf_counter()
        one.prompt(key, "")
        spent.append((time.perf_counter() - began) * 1000)
    return sorted(spent)


def pss(pid: int) -> float:
    """Return the proportional memory of a process, in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def daemon_of(box: Box) -> int:
    return int(Path(f"{box.socket}.lock").read_text())


def main(rounds: int) -> int:
    missed = []

    def say(name: str, value: float, budget: float, *, least: bool = False) -> None:
        late = value < budget if least else value > budget
        missed.extend([name] * late)
        print(
            f"{name:34} {value:10.2f}   budget {'>' if least else '<'} {budget:g}{'   MISSED' if late else ''}",
            flush=True,
        )

    with tempfile.TemporaryDirectory(prefix="acp-") as place:
        box = Box(Path(place))
        try:
            measure(box, rounds, say)
        finally:
            box.remove()
    print(f"missed: {', '.join(missed)}" if missed else "all within their budgets")
    return 1 if missed else 0


def measure(box: Box, rounds: int, say: Any) -> None:
    bare_words = ["podman", "exec", "-i", box.name, "terok-adapter", "run", "alpha"]
    with wire(box.words("connect")) as warm:
        key = warm.open()
        warm.prompt(key, "say warm")
        starts = [initialize(box) for _ in range(5)]
        say("connect to initialize, ms", min(starts), INITIALIZE_MS)
        spent = []
        for _ in range(20):
            began = time.perf_counter()
            warm.new()
            spent.append((time.perf_counter() - began) * 1000)
        say("session/new, warm, p95, ms", sorted(spent)[-2], NEW_SESSION_MS)
        with wire(bare_words) as bare:
            own = bare.open()
            pairs = [(round_trips(bare, own, rounds), round_trips(warm, key, rounds)) for _ in range(3)]
        for name, at, budget in (("p50", 0.5, ADDED_P50_MS), ("p99", 0.99, ADDED_P99_MS)):
            place = int(rounds * at)
            added = statistics.median(through[place] - direct[place] for direct, through in pairs)
            say(f"added per prompt and answer, {name}, ms", added, 2 * budget)  # two frames
        rates = []
        with wire(bare_words) as bare:
            own = bare.open()
            for _ in range(3):
                direct, through = flood(bare, own), flood(warm, key)
                rates.append((through, through / direct))
        best = max(rates)
        print(f"updates through one session: {best[1]:.2f} of podman exec")
        say("updates a second", best[0], UPDATES_A_SECOND, least=True)
        for _ in range(47):
            warm.new()
        say("daemon with 50 sessions, PSS, MiB", pss(daemon_of(box)), MEMORY_MIB)
        say("connect, PSS, MiB", pss(warm.process.pid), MEMORY_MIB)
        before = pss(daemon_of(box))
        with wire(box.words("connect")) as stalled:
            mine = stalled.open()
            stalled.send("session/prompt", sessionId=mine, prompt=[{"type": "text", "text": f"flood {FLOOD}"}])
            highest = before
            for _ in range(40):
                time.sleep(0.1)
                highest = max(highest, pss(daemon_of(box)))
            say("an editor that reads nothing, MiB", highest - before, STALLED_MIB)
            stalled.process.kill()


def initialize(box: Box) -> float:
    """Return how long it takes from the start of a process to its answer, in milliseconds."""
    began = time.perf_counter()
    one = Wire(box.words("connect"))
    one.call("initialize", protocolVersion=1, clientCapabilities={})
    spent = (time.perf_counter() - began) * 1000
    one.close()
    return spent


def flood(one: Wire, key: str) -> float:
    """Return how many updates a second come through."""
    number = one.send("session/prompt", sessionId=key, prompt=[{"type": "text", "text": f"flood {FLOOD}"}])
    one.stdout.readline()
    began = time.perf_counter()
    one.wait(number)
    return FLOOD / (time.perf_counter() - began)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=300)
    podman("info", "--format", "{{.Store.GraphRoot}}")
    os.environ.pop("PYTHONDEVMODE", None)
    sys.exit(main(parser.parse_args().rounds))
