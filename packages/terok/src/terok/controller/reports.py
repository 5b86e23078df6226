"""Following what a task's agent reports from inside: its file is watched, and what is new becomes claims."""

from __future__ import annotations

import asyncio
import logging
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from terok_util import TerokError

from terok.controller.inotify import CREATED, GONE, MODIFIED, MOVED_TO
from terok.errors import UnknownTask
from terok.integrations.executor import REPORTS, ReportCursor, read_reports
from terok.model.claims import Claim

if TYPE_CHECKING:
    from pathlib import Path

    from terok.controller.inotify import Watcher
    from terok.integrations.executor import ReportBatch
    from terok.store import Store

GATHER: Final = 0.1
"""Seconds in which further reports join the first."""
FLOODED: Final = 2.0
"""Seconds until the next look at a file that had more than anybody would report."""
PAST: Final = 60.0
"""Seconds for which the time in a report is believed; it is never in the future."""
_log = logging.getLogger(__name__)


class Reports:
    """Reads the reports of one task whenever its file has grown, until it is closed."""

    def __init__(self, store: Store, watcher: Watcher, task_id: str, directory: Path) -> None:
        self._store, self._watcher, self._task, self._directory = store, watcher, task_id, directory
        self._loop = asyncio.get_running_loop()
        self._due: asyncio.TimerHandle | None = None
        self._pause = GATHER
        self._watches: dict[str, int] = {}
        self._key = f"reports/{task_id}"
        self._cursor = ReportCursor.parse(str(store.setting(self._key, "")))
        file = directory / REPORTS
        self._watch("directory", file.parent, CREATED | MOVED_TO, name=file.name)
        self._watch_file()

    def close(self) -> None:
        """Read no more."""
        if self._due is not None:
            self._due.cancel()
        for number in self._watches.values():
            self._watcher.forget(number)

    def _watch_file(self) -> None:
        """Watch the file that is there now, and read it: it may have grown before."""
        self._watch("file", self._directory / REPORTS, MODIFIED)
        self._read_soon()

    def _watch(self, what: str, path: Path, mask: int, name: str = "") -> None:
        def changed(seen: int, changed_name: str) -> None:
            if what == "file" and seen & GONE:
                self._watches.pop("file", None)
            elif what == "file":
                self._read_soon()
            elif changed_name in (name, ""):
                self._watch_file()

        with suppress(OSError):
            self._watches[what] = self._watcher.watch(path, mask, changed)

    def _read_soon(self) -> None:
        if self._due is None:
            self._due = self._loop.call_later(self._pause, self._read)

    def _read(self) -> None:
        self._due = None
        batch = read_reports(self._directory, self._cursor)
        self._pause = FLOODED if batch.lost else GATHER
        try:
            if batch.reports:
                self._record(batch)
        except UnknownTask:
            return
        except TerokError as error:  # the database is held: they are read again
            _log.warning("%s", error.message)
            self._pause = FLOODED
            self._read_soon()
            return
        self._cursor = batch.cursor

    def _record(self, batch: ReportBatch) -> None:
        now = time.time()
        with self._store.write(now) as writer:
            session = writer.task(self._task).session
            for report in batch.reports:
                at = min(max(report.at, now - PAST), now)
                writer.claim(self._task, Claim(at, report.kind, report.id, report.text, report.options))
                if report.session and report.session != session:
                    session = report.session
                    writer.change(self._task, "session", session=session)
            writer.set(self._key, str(batch.cursor))
