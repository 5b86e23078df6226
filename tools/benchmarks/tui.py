"""The terminal interface over 1,000 tasks: first frame, keys, memory, and what it does while nothing happens.

    tools/bench tui [--tasks N] [--seconds N] [--keys N]

The tasks are recorded, with a real controller behind them; `podman` hangs for everything that the interface starts,
but for outputs. While it is busy, facts about 50 tasks change without a pause, and a task's output of 100 MB is read as
fast as it comes. A key's time is from the byte that goes into the terminal to the first byte that comes out; while it
is busy, to the words that answer the key. A review of 10,000 changed lines is opened again and again: from the key to
its files, with what git needs for them; the first look imports the screen and inspects the work, and is printed beside
it. Budget: ARCHITECTURE, section 6.
"""

from __future__ import annotations

import argparse
import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from controller import memory, processor, switches
from review import prepare

FIRST, KEY, MEMORY, REVIEW = 0.6, 0.05, 60.0, 0.15
LOOKS = 8
RUNNING = 50
_START = "import sys; from terok.cli import main; sys.exit(main())"
_QUIET = 0.15
"""Seconds without output after which a frame is whole."""


class Screen:
    """The interface on a terminal of 160x48."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.master, slave = pty.openpty()
        fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", 48, 160, 0, 0))
        argv = [sys.executable, "-P", "-c", _START, "tui"]
        self.began = time.monotonic()
        self.process = subprocess.Popen(
            argv, stdin=slave, stdout=slave, stderr=slave, env=environment, start_new_session=True
        )
        os.close(slave)

    def read(self, timeout: float) -> bytes:
        ready, _, _ = select.select([self.master], [], [], max(timeout, 0))
        return os.read(self.master, 1 << 16) if ready else b""

    def until(self, text: bytes, timeout: float = 30.0) -> float:
        """Return the seconds since the start at which a text is drawn."""
        seen = b""
        deadline = time.monotonic() + timeout
        while text not in seen:
            if time.monotonic() > deadline:
                raise SystemExit(f"{text!r} is never drawn: {seen[-500:]!r}")
            seen += self.read(0.2)
        return time.monotonic() - self.began

    def settle(self, most: float = 5.0) -> None:
        """Read until nothing more comes."""
        deadline = time.monotonic() + most
        while time.monotonic() < deadline and self.read(_QUIET):
            pass

    def press(self, keys: bytes) -> None:
        os.write(self.master, keys)

    def key(self, key: bytes) -> float:
        """Return the seconds from a key to the first byte that is drawn for it."""
        while self.read(0):
            pass
        began = time.monotonic()
        self.press(key)
        if not self.read(5.0):
            raise SystemExit(f"nothing is drawn for {key!r}")
        return time.monotonic() - began

    def end(self) -> None:
        self.process.kill()
        self.process.wait()
        os.close(self.master)


def fill(count: int) -> list[str]:
    """Record tasks, and return the ids of those that will run."""
    from terok.model.task import Task
    from terok.store import Store

    ids = [f"b{number:07d}" for number in range(count)]
    with Store() as store, store.write(time.time() - 86400) as writer:
        for number, task_id in enumerate(ids):
            names = f"p{number % 7}", f"name-{number}", "demo", "headless"
            writer.add_task(Task(task_id, *names, writer.at - 7200, cost=number / 97), {})
            writer.begin(task_id, f"terok-bench-{task_id}")
            writer.end(task_id, number % 5, at=writer.at - 60 * number)
    return ids[:RUNNING]


def unfold() -> None:
    """Have every task shown, as a person left it who wants to see those that are over too."""
    from terok.tui.background.kept import keep_place
    from terok.tui.views.inbox import Place

    keep_place(Place(folded=frozenset()))


def flood(task_id: str) -> None:
    """Give a task 100 MB of output that was kept when its container went."""
    from terok.paths import tasks_dir
    from terok.services.deletion import OUTPUT

    place = tasks_dir() / f"p{int(task_id[1:]) % 7}" / task_id
    place.mkdir(parents=True)
    with (place / OUTPUT).open("wb") as output:
        for number in range(1000):
            output.write(
                b"a line of an output that has a usual length, and says nothing of interest %d\n" % number * 1300
            )


@contextmanager
def churning(ids: list[str]) -> Iterator[None]:
    """Change facts about tasks without a pause."""
    from terok.model.facts import Calls, Process
    from terok.store import Store

    with Store() as store, store.write() as writer:
        for task_id in ids:
            writer.begin(task_id, f"terok-bench-{task_id}")
            writer.observe(task_id, process=Process(writer.at, "podman", "up", since=writer.at))
    over = threading.Event()

    def change() -> None:
        number = 0
        with Store() as store:
            while not over.wait(0.02):
                number += 1
                with store.write() as writer:
                    calls = Calls(writer.at, "vault", number % 2, writer.at, writer.at, 200, "demo")
                    writer.observe(ids[number % len(ids)], calls=calls)

    thread = threading.Thread(target=change)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def reviews(environment: dict[str, str], task: str) -> list[float]:
    """Return the seconds from the key to the files of a review, for one look after the other."""
    unfold()  # not with the filter that was there before
    screen, times = Screen(environment), []
    try:
        screen.until(b"name-")
        screen.press(f"/id:{task}\r".encode())
        screen.until(b"/ id:" + task.encode())
        screen.settle()
        for _ in range(LOOKS):
            began = time.monotonic()
            screen.press(b"v")
            screen.until(b"module_0.py")
            times.append(time.monotonic() - began)
            screen.settle()
            screen.press(b"\x1b")
            screen.until(b"enter\x1b[0m open")  # a key right behind Esc would be another key
            screen.settle()
    finally:
        screen.end()
    return times


def percentile(values: list[float], share: float) -> float:
    return sorted(values)[min(int(len(values) * share), len(values) - 1)]


def row(name: str, value: float, unit: str, budget: float) -> int:
    missed = value >= budget
    print(f"{'MISSED' if missed else 'ok':7} {name:28} {value:9.1f} {unit:4} budget {budget:g} {unit}")
    return int(missed)


def measure(environment: dict[str, str], ids: list[str], reviewed: str, chosen: argparse.Namespace) -> int:
    """Print the rows, and return how many miss their budgets."""
    starts = []
    for _ in range(5):
        screen = Screen(environment)
        starts.append(screen.until(b"name-"))
        screen.end()
    missed = row("first full frame", min(starts) * 1e3, "ms", FIRST * 1e3)
    screen = Screen(environment)
    try:
        screen.until(b"name-")
        screen.settle(20)
        times = []
        for number in range(chosen.keys):
            times.append(screen.key(b"j" if number % 2 == 0 else b"k"))
            screen.settle(0.5)
        missed += row("key to paint, p50", percentile(times, 0.5) * 1e3, "ms", KEY * 1e3)
        missed += row("key to paint, p99", percentile(times, 0.99) * 1e3, "ms", KEY * 1e3)
        time.sleep(20)
        screen.settle()
        pid = screen.process.pid
        woken, used = switches(pid), processor(pid)
        time.sleep(chosen.seconds)
        woken, used = switches(pid) - woken, processor(pid) - used
        missed += row("wake-ups, nothing happens", woken / chosen.seconds, "/s", 0.5)
        print(f"        processor                    {used / chosen.seconds * 100:9.2f} %")
        missed += row("memory", memory(pid), "MiB", MEMORY)
        with churning(ids[:-1]):
            screen.press(b"/")
            screen.settle(1)
            screen.press(f"id:{ids[-1]}\r".encode())
            screen.settle(1)
            screen.press(b"\r")
            screen.until(b"line of an output", 60)
            busy = []
            for number in range(chosen.keys):
                answer = (b"stays here", b"follows the end")[number % 2]
                began = time.monotonic()
                screen.press(b"f")
                screen.until(answer)
                busy.append(time.monotonic() - began)
        missed += row("key to paint, busy, p50", percentile(busy, 0.5) * 1e3, "ms", KEY * 1e3)
        missed += row("key to paint, busy, p99", percentile(busy, 0.99) * 1e3, "ms", KEY * 1e3)
        missed += row("memory, busy", memory(pid), "MiB", MEMORY)
    finally:
        screen.end()
    first, *rest = reviews(environment, reviewed)
    print(f"        review, first look           {first * 1e3:9.1f} ms")
    missed += row("review of 10,000 lines", percentile(rest, 0.5) * 1e3, "ms", REVIEW * 1e3)
    return missed


def main() -> int:
    parser = argparse.ArgumentParser(prog="tools/bench tui", description=__doc__)
    parser.add_argument("--tasks", type=int, default=1000)
    parser.add_argument("--seconds", type=int, default=60, help="how long it is watched")
    parser.add_argument("--keys", type=int, default=200)
    chosen = parser.parse_args()
    with tempfile.TemporaryDirectory() as place:
        (Path(place) / "bin").mkdir()
        reviewed, *_ = prepare(Path(place) / "root")
        podman = Path(place) / "bin/podman"
        podman.write_text('#!/bin/sh\ncase " $* " in *" logs "*) exit 125;; esac\nkill -STOP $$\n')
        podman.chmod(0o755)
        environment = {**os.environ, "TERM": "xterm-256color", "PATH": f"{place}/bin:{os.environ['PATH']}"}
        try:
            ids = fill(chosen.tasks)
            unfold()
            flood(ids[-1])
            missed = measure(environment, ids, reviewed, chosen)
        finally:
            subprocess.run(["terok", "controller", "stop"], check=False, capture_output=True, timeout=60)
    print(f"load {os.getloadavg()[0]:.1f}, {missed} missed")
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
