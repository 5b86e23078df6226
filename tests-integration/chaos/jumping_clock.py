"""A fork server whose wall clock, and that of everything it forks, is off by what a file says, read anew each time.

A time namespace does not move the wall clock, and setting the machine's own would hit everybody on it.
"""

from __future__ import annotations

import datetime as dt
import mmap
import struct
import sys
import time
from pathlib import Path

from terok_sandbox.supervise import forkserver
from terok_sandbox.supervise.worker_plan import WorkerPlan, load

with open(sys.argv[2], "r+b") as file:
    SHARED = mmap.mmap(file.fileno(), 8)
wall, wall_ns = time.time, time.time_ns


def offset() -> float:
    return float(struct.unpack("=d", SHARED[:8])[0])


class Jumping(dt.datetime):
    @classmethod
    def now(cls, tz: dt.tzinfo | None = None) -> Jumping:
        return super().now(tz) + dt.timedelta(seconds=offset())


def install() -> None:
    """Put the clock in the place of the one that every module of the product has imported."""
    time.time = lambda: wall() + offset()
    time.time_ns = lambda: wall_ns() + int(offset() * 1e9)
    for entry in (WorkerPlan().broker, WorkerPlan().gateway, WorkerPlan().rules, WorkerPlan().certificate):
        load(entry)
    for name, module in list(sys.modules.items()):
        if not name.startswith("terok"):
            continue
        if getattr(module, "datetime", None) is dt.datetime:
            module.datetime = Jumping
        if getattr(module, "time_ns", None) is wall_ns:
            module.time_ns = time.time_ns


if __name__ == "__main__":
    install()
    sys.exit(forkserver.serve(Path(sys.argv[1])))
