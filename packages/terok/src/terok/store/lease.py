"""Who holds something: a process, recognized by its number, its start and the boot, so that a lease ends with it."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from terok_util import LeanTuple

_START = 19
"""Place of the start time among the fields of /proc/PID/stat that follow the name."""


class Lease(LeanTuple):
    """A process; `started` is in clock ticks since the boot."""

    pid: int
    started: int
    boot: str


def own_lease() -> Lease:
    """Return the lease of this process."""
    return Lease(os.getpid(), _started(os.getpid()) or 0, _boot())


def is_alive(lease: Lease) -> bool:
    """Whether the process that took the lease still runs."""
    return lease.boot == _boot() and _started(lease.pid) == lease.started


def lease_from_json(kept: Any) -> Lease | None:
    """Return the lease that was kept as a JSON array, None if it is not one."""
    try:
        pid, started, boot = kept
        return Lease(int(pid), int(started), str(boot))
    except (TypeError, ValueError):
        return None


def held(kept: str | None) -> Lease | None:
    """Return the lease that was kept as JSON text if its process still runs, else None."""
    lease = lease_from_json(json.loads(kept)) if kept else None
    return lease if lease is not None and is_alive(lease) else None


def _started(pid: int) -> int | None:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace").rpartition(")")[2].split()
    except OSError:
        return None
    return None if fields[0] in ("Z", "X") else int(fields[_START])


def _boot() -> str:
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
    except OSError:
        return ""
