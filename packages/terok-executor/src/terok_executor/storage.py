"""What tasks take up on the host's disk."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from terok_executor.paths import state_dir, task_dir

if TYPE_CHECKING:
    from terok_executor.roster.roster import AgentRoster


@dataclass(frozen=True, slots=True)
class TaskStorageInfo:
    """Bytes of one task outside its container's own layer: its files, and what its agent keeps."""

    name: str
    files: int
    agent_state: int

    @property
    def total(self) -> int:
        """All of it."""
        return self.files + self.agent_state

    @classmethod
    def measure(cls, name: str) -> Self:
        """Measure one task; a missing one takes up nothing."""
        directory = task_dir(name)
        return cls(name, tree_bytes(directory / "home"), tree_bytes(directory / "state"))

    @classmethod
    def measure_all(cls) -> tuple[Self, ...]:
        """Measure every task, the largest first."""
        directory = state_dir() / "run"
        names = [path.name for path in directory.iterdir() if path.is_dir()] if directory.is_dir() else []
        return tuple(sorted((cls.measure(name) for name in names), key=lambda one: (-one.total, one.name)))


@dataclass(frozen=True, slots=True)
class SharedMountStorageInfo:
    """Bytes that the agents of all tasks keep in one kind of mount, and how many tasks have it."""

    host_dir: str
    label: str
    bytes: int
    tasks: int

    @classmethod
    def measure_all(cls, roster: AgentRoster) -> tuple[Self, ...]:
        """Measure every mount the roster knows, the largest first."""
        found = []
        for mount in roster.mounts:
            places = [path for path in (state_dir() / "run").glob(f"*/state/{mount.host_dir}") if path.is_dir()]
            found.append(cls(mount.host_dir, mount.label, sum(map(tree_bytes, places)), len(places)))
        return tuple(sorted(found, key=lambda one: (-one.bytes, one.host_dir)))


def tree_bytes(root: Path) -> int:
    """Return the bytes of all files below a directory; links count themselves, hard links once."""
    total, seen = 0, set()
    for parent, _, names in os.walk(root):
        for name in names:
            try:
                info = os.lstat(Path(parent) / name)
            except OSError:
                continue
            if (key := (info.st_dev, info.st_ino)) not in seen:
                seen.add(key)
                total += info.st_size
    return total
