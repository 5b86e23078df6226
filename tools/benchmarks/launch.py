"""Start, removal, memory and idle CPU of supervised containers against bare Podman.

Start is the time until the first process of the container runs, by that process's own clock; bare Podman gets the same
image, user namespace and command. Memory is PSS: it needs root or a password-less sudo, as supervisors let no process
of their user look into them.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from terok_sandbox import RunSpec, Sandbox
from terok_sandbox.supervise import client

IMAGES = ("localhost/terok-base:trixie", "localhost/base")
COMMAND = ("sh", "-c", "date +%s%N; exec sleep 600")
MEMORY_SOCKET = "\0terok-bench-memory"
PREFIX = f"bench-{os.getpid()}"


class Report:
    """Figures beside their budgets."""

    def __init__(self) -> None:
        self.missed = 0

    def row(self, what: str, value: float, budget: float, unit: str, detail: str = "") -> None:
        ok = value < budget
        self.missed += not ok
        print(f"{'ok' if ok else 'MISSED':7} {what:44} {value:8.2f} {unit:4} budget < {budget:g} {unit:4} {detail}")

    def note(self, what: str, detail: str) -> None:
        print(f"{'':7} {what:44} {detail}")


def podman(*arguments: str) -> str:
    return subprocess.run(["podman", *arguments], check=True, capture_output=True, text=True, timeout=120).stdout


def image() -> str:
    """Return the image to start; the distribution and nothing else."""
    for name in IMAGES:
        if subprocess.run(["podman", "image", "exists", name], check=False).returncode == 0:
            return name
    subprocess.run(["terok-executor", "build", "demo", "--base", "mmdebstrap:trixie"], check=True, timeout=1200)
    return IMAGES[0]


def timed(action: Callable[[], object]) -> float:
    began = time.monotonic()
    action()
    return time.monotonic() - began


def first_process(name: str) -> float:
    """Return when the first process of container *name* ran (epoch, seconds)."""
    deadline = time.monotonic() + 10
    while not (text := podman("logs", name).strip()):
        if time.monotonic() > deadline:
            raise SystemExit(f"{name} says nothing")
        time.sleep(0.05)
    return int(text.splitlines()[0]) / 1e9


class Launches:
    """Times in seconds of launches and removals, bare and supervised in turns."""

    def __init__(self, sandbox: Sandbox, image: str) -> None:
        self.sandbox = sandbox
        self.image = image
        self.times: dict[str, list[float]] = {}

    def bare(self, name: str) -> None:
        podman(
            "run", "-d", "--workdir", "/tmp", "--name", name, "--userns=keep-id:uid=1000,gid=1000", self.image, *COMMAND
        )

    def supervised(self, name: str) -> None:
        self.sandbox.run(RunSpec(container_name=name, image=self.image, workdir="/tmp", command=COMMAND))

    def measure(self, kind: str, launch: Callable[[str], None], remove: Callable[[str], object]) -> None:
        name = f"{PREFIX}-{kind}"
        began = time.time()
        returned = timed(lambda: launch(name))
        first = first_process(name) - began
        for what, value in (("first", first), ("returned", returned), ("removed", timed(lambda: remove(name)))):
            self.times.setdefault(f"{kind} {what}", []).append(value)

    def by_podman(self, name: str) -> None:
        podman("rm", "-f", "-t", "0", name)

    def by_sandbox(self, name: str) -> None:
        for result in self.sandbox.rm(name):
            if not result.removed:
                raise SystemExit(f"{name}: {result.error}")

    def median(self, what: str) -> float:
        return statistics.median(self.times[what])

    def ratio(self, ours: str, theirs: str) -> float:
        """Return the median of the ratios within each round: what else the machine does then hardly counts."""
        mine, bare = self.times[ours], self.times[theirs]
        return statistics.median(time / bare[number * len(bare) // len(mine)] for number, time in enumerate(mine))

    def run(self, rounds: int) -> None:
        for number in range(rounds + 1):
            if number == 1:
                self.times.clear()  # the first round warms the page cache
            self.measure("bare", self.bare, self.by_podman)
            self.measure("supervised", self.supervised, self.by_podman)
            self.sandbox.rm(f"{PREFIX}-supervised")
            self.measure("sandbox", self.supervised, self.by_sandbox)
            self.times.setdefault("supervised first", []).append(self.times["sandbox first"][-1])
            name, userns = f"{PREFIX}-whole", "--userns=keep-id:uid=1000,gid=1000"
            whole = {
                "bare": ["podman", "run", "--rm", "--name", name, userns, self.image, "true"],
                "supervised": ["terok-sandbox", "run", "--rm", "--name", name, self.image, "true"],
            }
            for kind, argv in whole.items():
                began = time.monotonic()
                subprocess.run(argv, check=True, capture_output=True, timeout=120)
                self.times.setdefault(f"whole {kind}", []).append(time.monotonic() - began)

    def report(self, report: Report) -> None:
        rows = [
            ("start until the first process runs", "supervised first", "bare first", 1.3),
            ("podman rm -f", "supervised removed", "bare removed", 1.5),
            ("terok-sandbox's rm", "sandbox removed", "bare removed", 1.5),
            ("run --rm IMAGE true", "whole supervised", "whole bare", 1.6),
        ]
        for what, ours, theirs, budget in rows:
            mine, bare = self.median(ours), self.median(theirs)
            ratio = self.ratio(ours, theirs)
            report.row(what, ratio, budget, "x", f"{mine * 1000:.0f} ms, bare {bare * 1000:.0f} ms")
        pair = "supervised returned", "bare returned"
        times = ", bare ".join(f"{self.median(what) * 1000:.0f} ms" for what in pair)
        said = f"{self.ratio(*pair):8.2f} x    no budget of its own; {times}"
        report.note("start until supervision is verified", said)


def family(names: Iterable[str], sandbox: Sandbox) -> list[int]:
    """Return every process that supervises the containers *names*, the fork server included."""
    roots = [int(client.forkserver_status(sandbox.config)["pid"])]
    roots += [int(client.status(sandbox.config, name)["pid"]) for name in names]
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):
        with suppress(OSError, ValueError, IndexError):
            parent = int(Path(f"/proc/{int(entry)}/stat").read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(entry))
    found: set[int] = set()
    while roots:
        pid = roots.pop()
        if pid not in found:
            found.add(pid)
            roots += children.get(pid, [])
    return sorted(found)


def memory(pids: list[int]) -> float | None:
    """Return the PSS of *pids* in MiB, ``None`` when nobody here may read it."""
    with suppress(OSError, ValueError), socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as asking:
        asking.settimeout(20)
        asking.connect(MEMORY_SOCKET)
        asking.sendall(json.dumps(pids).encode())
        return sum(json.loads(asking.makefile().read()).values()) / 1024
    if shutil.which("sudo") is None:
        return None
    files = [f"/proc/{pid}/smaps_rollup" for pid in pids]
    done = subprocess.run(["sudo", "-n", "cat", *files], check=False, capture_output=True, text=True)
    if done.returncode:
        return None
    return sum(int(line.split()[1]) for line in done.stdout.splitlines() if line.startswith("Pss:")) / 1024


def cpu(pids: list[int]) -> float:
    """Return the CPU time of *pids* so far, in seconds."""
    return sum(int(Path(f"/proc/{pid}/schedstat").read_text().split()[0]) for pid in pids) / 1e9


def resident(sandbox: Sandbox, image: str, many: int, seconds: float, report: Report) -> None:
    """Measure memory with one and with many containers, and idle CPU with many."""
    names: list[str] = []
    try:
        for count, budget in ((1, 60.0), (many, 22.0)):
            while len(names) < count:
                names.append(f"{PREFIX}-{len(names)}")
                sandbox.run(RunSpec(container_name=names[-1], image=image, workdir="/tmp", command=COMMAND))
            time.sleep(2)
            pids = family(names, sandbox)
            total = memory(pids)
            what = f"memory per container, {count} running"
            if total is None:
                report.note(what, "not measured: needs root")
            else:
                report.row(what, total / count, budget, "MiB", f"{len(pids)} processes, {total:.0f} MiB in all")
        pids = family(names, sandbox)
        began, used = time.monotonic(), cpu(pids)
        time.sleep(seconds)
        share = (cpu(pids) - used) / (time.monotonic() - began) / many * 100
        report.row("idle CPU per container", share, 0.1, "%", f"{many} containers, {seconds:g} s")
    finally:
        sandbox.rm(names)


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/bench launch", description=__doc__)
    parser.add_argument("--rounds", type=int, default=7, help="launches of each kind (medians count)")
    parser.add_argument("--many", type=int, default=20, help="containers for memory and CPU")
    parser.add_argument("--seconds", type=float, default=10, help="how long CPU is watched")
    chosen = parser.parse_args()
    subprocess.run(["terok-sandbox", "setup"], check=True, stdout=subprocess.DEVNULL)
    sandbox, report = Sandbox(), Report()
    client.ensure_forkserver(sandbox.config)
    wanted = image()
    launches = Launches(sandbox, wanted)
    try:
        launches.run(chosen.rounds)
        launches.report(report)
        if chosen.many:
            resident(sandbox, wanted, chosen.many, chosen.seconds, report)
    finally:
        left = [f"{PREFIX}-{kind}" for kind in ("bare", "supervised", "sandbox")]
        subprocess.run(["podman", "rm", "-f", "-t", "0", *left], check=False, capture_output=True)
        sandbox.rm(left[1:])
    return 1 if report.missed else 0


if __name__ == "__main__":
    sys.exit(main())
