"""Use of the disk, by kind and by task, and how long things are kept."""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final

from terok_util import TerokError

from terok.config import load_settings
from terok.config.spelling import parse_size
from terok.integrations.executor import task_dir
from terok.integrations.sandbox import SandboxConfig
from terok.paths import database_path, free_bytes, panic_dir, projects_dir, tasks_dir, trash_dir
from terok.services.at_once import at_once
from terok.services.images import Images
from terok.services.project_deletion import TRASH

if TYPE_CHECKING:
    from terok.model.task import Task
    from terok.services.tasks import Tasks

PATIENCE: Final = 120.0
_BLOCK: Final = 512


@dataclass(frozen=True, slots=True)
class Place:
    """One thing on disk: `bytes` is what it takes up, at least that much unless `whole`; `note` says more."""

    kind: str
    name: str
    bytes: int
    whole: bool = True
    note: str = ""
    path: str = ""


@dataclass(frozen=True, slots=True)
class Held:
    """Everything that was found, and the rules by which it is kept."""

    places: list[Place]
    free: int | None
    floor: int
    trash_days: int
    failures: list[str] = field(default_factory=list)

    @property
    def low(self) -> bool:
        """Whether so little is free that no task starts."""
        return self.free is not None and self.free < self.floor

    def kinds(self) -> list[tuple[str, int, int, bool]]:
        """Return each kind with its number, bytes and whether all could be read, in the order they were found."""
        sums: dict[str, tuple[int, int, bool]] = {}
        for one in self.places:
            number, size, whole = sums.get(one.kind, (0, 0, True))
            sums[one.kind] = number + 1, size + one.bytes, whole and one.whole
        return [(kind, *rest) for kind, rest in sums.items()]


class Storage:
    """Use cases of storage."""

    def __init__(self, tasks: Tasks, config: SandboxConfig | None = None) -> None:
        self._tasks = tasks
        self._config = config or SandboxConfig.load()

    def held(self) -> Held:
        """Measure everything, side by side; what does not answer is a failure, not nothing."""
        wanted = [*self._wanted()]
        calls: list[Callable[[], list[Place]]] = [partial(_measured, *one) for one in wanted]
        ends = at_once([*calls, _images], seconds=PATIENCE, width=4)
        places, failures = [], []
        names = [*(f"{kind} {name}" for kind, name, _, _ in wanted), "images"]
        for name, end in zip(names, ends, strict=True):
            if end.value is not None:
                places += end.value
            else:
                said = end.error.message if isinstance(end.error, TerokError) else end.error or "it takes too long"
                failures.append(f"{name}: {said}")
        settings = load_settings().tasks
        return Held(places, free_bytes(tasks_dir()), parse_size(settings.min_free_disk), settings.trash_days, failures)

    def _wanted(self) -> Iterator[tuple[str, str, Path, str]]:
        """Yield kind, name, path and note of everything but images."""
        known = {task.id: task for task in self._tasks.store.tasks(trashed=True)}
        for directory in sorted(tasks_dir().glob("*/*")):
            task = known.get(directory.name)
            kind = "archive" if task is not None and task.archived is not None else "workspace"
            yield kind, _name(task, directory), directory, "" if task is not None else "of no task"
        for directory in sorted(trash_dir().glob("*")):
            task = known.get(directory.name)
            yield "trash", _name(task, directory), directory, "" if task is not None else "of no task"
        for directory in sorted((projects_dir() / TRASH).glob("*")):
            yield "trash", directory.name, directory, "a project"
        for task in known.values():
            if task.container and task_dir(task.container).is_dir():
                yield "agent state", f"{task.project}/{task.name}", task_dir(task.container), ""
        for mirror in sorted(self._config.gate_base_path.glob("*.git")):
            yield "mirror", mirror.name.removesuffix(".git"), mirror, ""
        for directory in sorted((self._config.state_dir / "containers").glob("*")):
            yield "logs", directory.name, directory, ""
        yield from (("evidence", path.name, path, "of a panic") for path in sorted(panic_dir().glob("*")))
        yield "records", "usage", self._config.usage_dir, ""
        for path in sorted(database_path().parent.glob(f"{database_path().name}*")):
            yield "records", path.name, path, ""


def measure(path: Path) -> tuple[int, bool]:
    """Return the bytes on disk of a file or tree, hard links once, and whether all of it could be read."""
    try:
        top = path.lstat()
    except OSError:
        return 0, not os.path.lexists(path)
    size, whole, seen, waiting = top.st_blocks * _BLOCK, True, set(), [os.fspath(path)]
    if not stat.S_ISDIR(top.st_mode):
        return size, True
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    info = entry.stat(follow_symlinks=False)
                    if info.st_nlink > 1 and not stat.S_ISDIR(info.st_mode):
                        if (info.st_dev, info.st_ino) in seen:
                            continue
                        seen.add((info.st_dev, info.st_ino))
                    size += info.st_blocks * _BLOCK
                    if stat.S_ISDIR(info.st_mode):
                        waiting.append(entry.path)
        except FileNotFoundError:
            continue  # it has gone meanwhile
        except OSError:
            whole = False  # such as a directory of one of the container's other users
    return size, whole


def _measured(kind: str, name: str, path: Path, note: str) -> list[Place]:
    size, whole = measure(path)
    return [Place(kind, name, size, whole, note, str(path))]


def _images() -> list[Place]:
    return [
        Place("image", one.reference or one.id[:12], one.own_size, note="unused" if not one.containers else "")
        for one in Images().stored()
    ]


def _name(task: Task | None, directory: Path) -> str:
    return f"{task.project}/{task.name}" if task is not None else f"{directory.parent.name}/{directory.name}"
