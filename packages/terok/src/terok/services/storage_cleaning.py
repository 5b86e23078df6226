"""Finding what is not needed any more, and removing it: only directories with our marker, and images nothing needs."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from terok_util import TerokError, UsageError

from terok.errors import TaskError
from terok.paths import tasks_dir, trash_dir
from terok.services.images import Images, Removal
from terok.services.marked import MARKER, read_marker, remove_marked
from terok.services.operations import DAY
from terok.services.storage import measure
from terok.store.counting import counted_now

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

    from terok.services.tasks import Tasks


@dataclass(frozen=True, slots=True)
class Unneeded:
    """Something to remove, what it frees, and why; `failed` says why it is still there."""

    kind: str
    name: str
    bytes: int
    reason: str
    failed: str = ""


class Cleaning:
    """Use cases of cleaning up. Nothing that a task still has, or that could be brought back, is ever named."""

    def __init__(self, tasks: Tasks, images: Images | None = None) -> None:
        self._tasks = tasks
        self._images = images or Images()
        self._directories: dict[str, Path] = {}
        self._removals: dict[str, Removal] = {}
        self.failures: list[str] = []

    def found(self, now: float | None = None) -> list[Unneeded]:
        """Return everything that is not needed `now` (counted time); what could not be asked is in `failures`."""
        now = counted_now(self._tasks.store) if now is None else now
        self.failures = []
        found = [*self._expired(now), *self._of_no_task(now)]
        try:
            removals = self._images.unneeded()
        except TerokError as error:
            self.failures.append(f"images: {error.message}")
            return found
        self._removals = {one.image: one for one in removals}
        return [*found, *(Unneeded("image", one.image, one.size, one.reason) for one in removals)]

    def remove(self, wanted: Iterable[Unneeded], now: float | None = None) -> list[Unneeded]:
        """Remove what `found` has returned, and return it with why something is still there."""
        now = counted_now(self._tasks.store) if now is None else now
        wanted = [*wanted]
        done = [self._remove(one, now) for one in wanted if one.kind != "image"]
        chosen = [self._removals[one.name] for one in wanted if one.kind == "image"]
        removed = self._images.clean_up(chosen) if chosen else []
        return [*done, *(Unneeded("image", one.image, one.size, one.reason, one.failed) for one in removed)]

    def _expired(self, now: float) -> Iterator[Unneeded]:
        """Yield deleted tasks whose time is over, which a controller would have removed."""
        for operation in self._tasks.operations.log():
            over = operation.expires is not None and operation.expires <= now
            if not over or operation.state not in ("open", "done") or "task" not in operation.inverse:
                continue
            task = str(operation.inverse["task"])
            if operation.inverse.get("kind") == "task.delete":
                size, _ = measure(trash_dir() / task)
                yield Unneeded("trash", task, size, "its time in the trash is over")

    def _of_no_task(self, now: float) -> Iterator[Unneeded]:
        """Yield directories with our marker whose task is not recorded, once they are as old as trash."""
        oldest = now - self._tasks.keep_days * DAY
        known = {task.id for task in self._tasks.store.tasks(trashed=True)}
        for directory in (*sorted(tasks_dir().glob("*/*")), *sorted(trash_dir().glob("*"))):
            if directory.name in known or last_change(directory) > oldest:
                continue
            try:
                read_marker(directory, directory.name)
            except TaskError:
                continue  # not ours: never touched
            self._directories[str(directory)] = directory
            yield Unneeded("directory", str(directory), measure(directory)[0], "no task is recorded that it belongs to")

    def _remove(self, one: Unneeded, now: float) -> Unneeded:
        try:
            if one.kind == "trash":
                self._tasks.operations.expire(now)
                if (trash_dir() / one.name).exists():
                    raise TaskError("it is still there")
            elif one.name in self._directories:
                directory = self._directories[one.name]
                if any(directory.name == known.id for known in self._tasks.store.tasks(trashed=True)):
                    raise TaskError("a task has it meanwhile")
                remove_marked(directory, directory.name)
            else:
                raise UsageError(f"{one.name} was not found by a search")
        except (TerokError, OSError) as error:
            return Unneeded(one.kind, one.name, one.bytes, one.reason, str(error))
        return one


def last_change(directory: Path) -> float:
    """Return when a task's directory was last changed as far as its top and its workspace tell."""
    latest = 0.0
    for path in (directory, directory / MARKER, directory / "workspace"):
        try:
            latest = max(latest, path.lstat().st_mtime)
        except OSError:
            continue
    return latest
