"""Disk usage of tasks on the host."""

from __future__ import annotations

import os
import stat
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

from terok_executor.paths import mounts_dir, task_dir
from terok_executor.roster.roster import AgentRoster


@dataclass(frozen=True, slots=True)
class TaskStorageInfo:
    """Bytes of one task outside its container's own layer: its files, and its agent's state."""

    name: str
    files: int
    agent_state: int

    @property
    def total(self) -> int:
        """Files and agent state together."""
        return self.files + self.agent_state

    @classmethod
    def measure(cls, name: str) -> Self:
        """Measure one task; 0 for a task that does not exist."""
        directory = task_dir(name)
        return cls(name, tree_bytes(directory / "home"), tree_bytes(directory / "state"))

    @classmethod
    def measure_all(cls) -> tuple[Self, ...]:
        """Measure every task, the largest first."""
        directory = mounts_dir()
        names = [path.name for path in directory.iterdir() if path.is_dir()] if directory.is_dir() else []
        return tuple(sorted((cls.measure(name) for name in names), key=lambda task: (-task.total, task.name)))


@dataclass(frozen=True, slots=True)
class SharedMountStorageInfo:
    """Bytes of all tasks in one kind of mount, and how many tasks have it."""

    host_dir: str
    label: str
    bytes: int
    tasks: int

    @classmethod
    def measure_all(cls, roster: AgentRoster) -> tuple[Self, ...]:
        """Measure every mount the roster knows, the largest first."""
        usage = []
        for mount in roster.mounts:
            places = [path for path in mounts_dir().glob(f"*/state/{mount.host_dir}") if path.is_dir()]
            usage.append(cls(mount.host_dir, mount.label, sum(map(tree_bytes, places)), len(places)))
        return tuple(sorted(usage, key=lambda mount: (-mount.bytes, mount.host_dir)))


def tree_bytes(root: Path) -> int:
    """Return the bytes of all files below a directory, however deep; links count themselves, hard links once."""
    total, seen, waiting = 0, set(), [os.fspath(root)]
    while waiting:
        with suppress(OSError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                info = entry.stat(follow_symlinks=False)
                if stat.S_ISDIR(info.st_mode):
                    waiting.append(entry.path)
                elif (key := (info.st_dev, info.st_ino)) not in seen:
                    seen.add(key)
                    total += info.st_size
    return total
