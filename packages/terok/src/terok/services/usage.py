"""Use and cost of tasks, from the usage journals that the vault's brokers write."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

from terok_util import FileError, LeanTuple

from terok.errors import StoreError
from terok.integrations.sandbox import SandboxConfig
from terok.model.money import summarize, total
from terok.store.connection import empty
from terok.store.reading import Reading
from terok.store.spending import refresh, used

if TYPE_CHECKING:
    from terok.model.money import By, Sum
    from terok.model.task import Task
    from terok.store import Store


class Spending(LeanTuple):
    """A sum of use for each name, and all together."""

    by: By
    rows: list[Sum]
    total: Sum


class Usage:
    """Use cases of usage. What was read of the journals is kept as sums in the database, if there is one."""

    def __init__(self, store: Store, config: SandboxConfig | None = None) -> None:
        self._store = store
        self._config = config or SandboxConfig.load()

    def spending(
        self,
        by: By = "task",
        since: str | None = None,
        until: str | None = None,
        *,
        now: float,
        task: Task | None = None,
    ) -> Spending:
        """Return the use between two times, of one task if it is given; UsageError for a time that is none."""
        first, last = "", "~"
        if since is not None or until is not None:
            from terok.model.span import hours_between  # most looks are at everything

            first, last = hours_between(since, until, now)
        rows = list(used(self._current(), by, first, last, None if task is None else task.container))
        return Spending(by, summarize(rows, by), total(rows))

    def _current(self) -> Reading:
        """Return the database with the sums of now, or one in memory where it cannot be written."""
        try:
            journals = self._journals()
            try:
                refresh(self._store, journals)
            except StoreError:
                memory = Reading(empty(self._store.path), self._store.path)
                refresh(memory, journals)
                return memory
        except OSError as error:
            raise FileError(
                f"{error.filename}: cannot be read: {error.strerror}", hint="run `terok sickbay`"
            ) from error
        return self._store

    def _journals(self) -> dict[str, Path]:
        """Return the journals by directory and container; an error if they cannot be listed, which is not "none"."""
        found: dict[str, Path] = {}
        try:
            with os.scandir(self._config.usage_dir) as projects:
                places = sorted(project.path for project in projects if project.is_dir())
            for place in places:
                with os.scandir(place) as entries:
                    names = [entry.name for entry in entries if entry.name.endswith(".jsonl")]
                base = Path(place)
                found |= {f"{base.name}/{name.removesuffix('.jsonl')}": base / name for name in names}
        except FileNotFoundError:
            return {}
        return found
