"""Whether a container's processes use the processor, by its control group: work that nothing else shows."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

BUSY: Final = 0.05
"""Share of one processor above which a container is at work."""
SHORTEST: Final = 1.0
"""Seconds between two looks that say anything."""
_GROUPS: Final = Path("/sys/fs/cgroup")


class Processor:
    """Compares what each container has used with what it had at the last look."""

    def __init__(self) -> None:
        self._last: dict[str, tuple[float, float]] = {}

    def look(self, task: str, pid: int) -> bool:
        """Return whether the task's container, whose first process is `pid`, has been busy since the last look.

        The first look, and one at a container without a control group of its own, say no.
        """
        used, now = used_seconds(pid) if pid else None, time.monotonic()
        if used is None:
            return False
        before = self._last.get(task)
        if before is not None and now - before[0] < SHORTEST:
            return False
        self._last[task] = (now, used)
        return before is not None and used - before[1] > BUSY * (now - before[0])

    def forget(self, task: str) -> None:
        """Drop what is known of a task."""
        self._last.pop(task, None)


def used_seconds(pid: int) -> float | None:
    """Return the processor time of a container's control group in seconds, None if it has none of its own."""
    try:
        line = Path(f"/proc/{pid}/cgroup").read_text("utf-8").splitlines()[-1]
        path = line.partition("::")[2]
        if "libpod-" not in path:
            return None
        scope = path[: path.index("libpod-")] + path[path.index("libpod-") :].partition("/")[0]
        text = (_GROUPS / scope.lstrip("/") / "cpu.stat").read_text("ascii")
        return next(int(row.split()[1]) for row in text.splitlines() if row.startswith("usage_usec")) / 1e6
    except (OSError, ValueError, IndexError, StopIteration):
        return None
