"""The controller with 20 running tasks in which nothing happens: memory, wake-ups, processor time.

    tools/bench controller [--tasks N] [--seconds N]

Containers are started by the sandbox and recorded as running tasks; the controller follows the feeds of their
supervisors. Wake-ups are the voluntary context switches of all its threads. Budget: ARCHITECTURE, section 6.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from job import quietly
from terok.model.facts import Process
from terok.model.task import Task
from terok.store import Store

BASE = "mmdebstrap:trixie"
IMAGE = "localhost/terok-base:trixie"
MOST_MIB = 25.0
MOST_WAKE_UPS = 0


@contextmanager
def running(count: int) -> Iterator[None]:
    """Start and record `count` tasks, and remove them afterwards."""
    quietly("terok-executor", "setup")
    quietly("terok-executor", "build", "demo", "--base", BASE)
    ids = [f"b{os.getpid() % 10**4:04d}{number:03d}" for number in range(count)]
    try:
        for task_id in ids:
            quietly("terok-sandbox", "run", "--name", f"terok-bench-{task_id}", "--detach", IMAGE, "sleep", "infinity")
            with Store() as store, store.write() as writer:
                writer.add_task(Task(task_id, "bench", f"n-{task_id}", "demo", "interactive", writer.at), {})
                writer.begin(task_id, f"terok-bench-{task_id}")
                writer.observe(task_id, process=Process(writer.at, "podman", "up", since=writer.at))
        yield
    finally:
        subprocess.run(["terok", "controller", "stop"], check=False, capture_output=True, timeout=60)
        for task_id in ids:
            remove = ["terok-sandbox", "rm", f"terok-bench-{task_id}"]
            subprocess.run(remove, check=False, capture_output=True, timeout=60)
            with Store() as store, store.write() as writer:
                writer.forget_task(task_id)


def status() -> dict:
    """Return what the controller says of itself."""
    done = subprocess.run(["terok", "controller", "status", "--json"], check=False, capture_output=True, timeout=60)
    return json.loads(done.stdout)


def settled(count: int) -> int:
    """Start the controller, wait until it follows everything and has nothing to do, and return its process id."""
    quietly("terok", "controller", "start")
    deadline = time.monotonic() + 60
    while len((said := status())["following"]) < count or said["children"]:
        if time.monotonic() > deadline:
            raise SystemExit(f"the controller follows {len(said['following'])} of {count}: {said}")
        time.sleep(0.5)
    time.sleep(15)
    return said["pid"]


def switches(pid: int) -> int:
    """Return how often the threads of a process have gone to sleep."""
    texts = [path.read_text() for path in Path(f"/proc/{pid}/task").glob("*/status")]
    lines = [line for text in texts for line in text.splitlines() if line.startswith("voluntary_ctxt_switches")]
    return sum(int(line.split()[1]) for line in lines)


def memory(pid: int) -> float:
    """Return the proportional share of memory in MiB."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


def processor(pid: int) -> float:
    """Return seconds of processor time."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/bench controller", description=__doc__)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--seconds", type=int, default=60, help="how long it is watched")
    chosen = parser.parse_args()
    with running(chosen.tasks):
        pid = settled(chosen.tasks)
        before, used = switches(pid), processor(pid)
        time.sleep(chosen.seconds)
        woken, used, mib = switches(pid) - before, processor(pid) - used, memory(pid)
    missed = (mib >= MOST_MIB) + (woken > MOST_WAKE_UPS)
    print(f"{'MISSED' if mib >= MOST_MIB else 'ok':7} memory       {mib:8.1f} MiB      budget {MOST_MIB:g} MiB")
    said = "MISSED" if woken > MOST_WAKE_UPS else "ok"
    print(f"{said:7} wake-ups     {woken:8} in {chosen.seconds} s  budget {MOST_WAKE_UPS}")
    print(f"        processor    {used * 1e3:8.1f} ms in {chosen.seconds} s")
    print(f"load {os.getloadavg()[0]:.1f}, {missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
