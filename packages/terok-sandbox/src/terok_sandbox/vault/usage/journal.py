"""Usage on disk: one JSONL file per container, in one directory per project.

A line torn by a crash is skipped. A file that has grown to MAX_BYTES is put together, but for its newer half.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from terok_util import TerokError, atomic_write

from terok_sandbox.audit import timestamp
from terok_sandbox.errors import AuditError
from terok_sandbox.values.limits import Limits, Whose
from terok_sandbox.vault.usage.rows import (
    NANO,
    Number,
    Row,
    Totals,
    at_most,
    billing_of,
    day_of,
    number_of,
    parse_row,
    pending_of,
    put_together,
    seconds_of,
    settled,
    totals_of,
)

MAX_BYTES: Final = 1024 * 1024
STALE_SECONDS: Final = 2 * 3600.0
DAY_SECONDS: Final = 86400.0
SHARED: Final = ".shared"
"""Directory beside those of projects, for what brokers of several projects share: no project can be called so."""


def reached(limits: Limits, used: Totals, elapsed: float) -> str | None:
    """Return which limit leaves no room for another request, in words; None if all do."""
    if limits.requests is not None and used.requests >= limits.requests:
        return f"{used.requests} of {limits.requests} requests are used"
    if limits.tokens is not None and used.tokens >= limits.tokens:
        return f"{used.tokens} of {limits.tokens} tokens are used"
    if limits.cost_usd is not None and used.cost >= limits.cost_usd * NANO:
        return f"{used.cost / NANO:.2f} of {limits.cost_usd:.2f} USD are spent"
    if limits.bytes is not None and used.bytes >= limits.bytes:
        return f"{used.bytes} of {limits.bytes} bytes are transferred"
    if limits.wall_seconds is not None and elapsed >= limits.wall_seconds:
        return f"{elapsed:.0f} of {limits.wall_seconds:.0f} seconds have passed"
    return None


def shared_dir(journal: Path) -> Path:
    """Return the directory of what the brokers of all projects share."""
    return journal.parent.parent / SHARED


class _Book:
    """Sums of one journal file: of all tasks, of one of them, of the last days, and of requests still open."""

    def __init__(self, task: str) -> None:
        self.task = task
        self.inode = 0
        self.read_to = 0
        self.total, self.of_task = Totals(), Totals()
        self.days: dict[str, Totals] = {}
        self.known = True
        """Whether everything that the one task has to pay for has a price."""
        self.plan = 0
        self.open: dict[Number, tuple[Totals, bool, float]] = {}

    def take(self, row: Row) -> None:
        used, ours, day = totals_of(row), row["task"] == self.task, day_of(row)
        self.total += used
        self.days[day] = self.days.get(day, Totals()) + used
        if len(self.days) > 2:
            del self.days[min(self.days)]
        if ours:
            self.of_task += used
            if billing_of(row) == "plan":
                self.plan += used.cost
            else:
                self.known = self.known and not row.get("price_assumed")
        if (number := number_of(row, "settles")) is not None:
            self.open.pop(number, None)
        elif (number := number_of(row, "id")) is not None:
            self.open[number] = (pending_of(row), ours, seconds_of(row))


class UsageJournal:
    """Appends the exchanges of one container and adds up those of its project and day. Used from one thread.

    `used` and `pending` (the most that requests under way may add) are of the task, the project and the day.
    """

    def __init__(self, path: Path, task: str) -> None:
        self._path = path
        self._task = task
        self.run = secrets.token_hex(4)
        self._fd = -1
        self._most = MAX_BYTES
        self._books: dict[Path, _Book] = {}
        self.used: dict[Whose, Totals] = {"task": Totals(), "project": Totals(), "day": Totals()}
        self.pending = dict(self.used)
        self.cost_known, self.plan_cost = True, 0

    def append(self, row: dict[str, Any]) -> None:
        """Write one row; AuditError if it could not be written whole."""
        line = json.dumps({"task": self._task, "run": self.run, **row}, separators=(",", ":")).encode() + b"\n"
        try:
            descriptor = self._locked()
            size = os.fstat(descriptor).st_size
            if size and os.pread(descriptor, 1, size - 1) != b"\n":
                line = b"\n" + line
            if os.write(descriptor, line) != len(line):
                raise AuditError(f"{self._path}: a usage row was written only in part", hint="free some disk space")
            if size > self._most:
                self._shrink(size)
            fcntl.flock(descriptor, fcntl.LOCK_UN)
        except OSError as error:
            self.close()
            raise AuditError(f"{self._path}: {error.strerror}", hint="free some disk space") from error
        except AuditError:
            self.close()
            raise

    def put_together(self) -> None:
        """Leave only sums in the file, as for a container that is gone; AuditError if that cannot be done."""
        if not self._path.exists():
            return
        try:
            self._locked()
            self._replace(put_together(read_rows(self._path)))
        except OSError as error:
            raise AuditError(f"{self._path}: {error.strerror}", hint="free some disk space") from error
        except TerokError as error:
            raise AuditError(error.message, hint=error.hint) from error
        finally:
            self.close()

    def refresh(self, reach: Whose) -> None:
        """Take in what was appended since: of this container, with `project` of its project, with `day` of everybody.

        What an earlier broker of this container left open, and anybody for STALE_SECONDS, is as good as used: nobody
        will settle it. AuditError if anything of it cannot be read.
        """
        for path in self._reached(reach):
            self._take(path)
        now = time.time()
        today, stale = timestamp()[: len("2026-01-31")], now - STALE_SECONDS
        used: dict[Whose, Totals] = {"task": Totals(), "project": Totals(), "day": Totals()}
        pending = dict(used)
        here = [(path, book) for path, book in self._books.items() if path.parent == self._path.parent]
        self.cost_known = all(book.known for _, book in here)
        self.plan_cost = sum(book.plan for _, book in here)
        for path, book in self._books.items():
            mine: list[Whose] = ["day"] if path.parent != self._path.parent else ["day", "project"]
            used["day"] += book.days.get(today, Totals())
            used["project"] += book.total if "project" in mine else Totals()
            used["task"] += book.of_task
            for (run, _), (most, ours, since) in book.open.items():
                dead = (path == self._path and run != self.run) or since < stale
                for whose in (*mine, "task") if ours else mine:
                    if not dead:
                        pending[whose] += most
                    elif whose != "day" or since >= now - now % DAY_SECONDS:
                        used[whose] += most
        self.used, self.pending = used, pending

    def close(self) -> None:
        """Close the file; the next row opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _locked(self) -> int:
        """Return the file's descriptor, locked: nobody puts the file together meanwhile."""
        while True:
            if self._fd < 0:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
                self._fd = os.open(self._path, flags, 0o600)
            fcntl.flock(self._fd, fcntl.LOCK_EX)
            if os.fstat(self._fd).st_nlink:
                return self._fd
            self.close()  # put together, or removed

    def _reached(self, reach: Whose) -> Iterator[Path]:
        yield self._path
        if reach == "task":
            return
        try:
            if self._path.parent.is_dir():
                yield from (path for path in _journals(self._path.parent) if path != self._path)
            if reach == "project" or not self._path.parent.parent.is_dir():
                return
            now = time.time()
            since = now - now % DAY_SECONDS - STALE_SECONDS
            with os.scandir(self._path.parent.parent) as entries:
                others = [Path(entry.path) for entry in entries if entry.is_dir() and entry.name != SHARED]
            for directory in others:
                if directory != self._path.parent:
                    yield from _journals(directory, since)
        except OSError as error:
            raise AuditError(f"{error.filename}: cannot be read: {error.strerror}") from error

    def _take(self, path: Path) -> None:
        try:
            status = path.stat()
            book = self._books.get(path)
            if book is None or book.inode != status.st_ino or book.read_to > status.st_size:
                book = self._books[path] = _Book(self._task)
                book.inode = status.st_ino
            if book.read_to == status.st_size:
                return
            rows, book.read_to = _rows_beyond(path, book.read_to)
        except FileNotFoundError:
            return
        except OSError as error:
            raise AuditError(f"{path}: cannot be read: {error.strerror}") from error
        for row in rows:
            book.take(row)

    def _shrink(self, size: int) -> None:
        """Put the older half together; without room for that on the disk the file grows on for a while."""
        rows = list(read_rows(self._path))
        half = len(rows) // 2
        try:
            self._replace([*put_together(rows[:half]), *rows[half:]])
            self._most = MAX_BYTES
        except (OSError, TerokError):
            self._most = 2 * size

    def _replace(self, rows: Iterable[Row]) -> None:
        lines = [json.dumps(row, separators=(",", ":")) + "\n" for row in rows]
        atomic_write(self._path, "".join(lines), mode=0o600)


def _journals(directory: Path, since: float | None = None) -> Iterator[Path]:
    """Yield a directory's journals that were written to at `since` or later, all without it."""
    with os.scandir(directory) as entries:
        for entry in entries:
            if entry.name.endswith(".jsonl"):
                with suppress(FileNotFoundError):
                    if since is None or entry.stat().st_mtime >= since:
                        yield Path(entry.path)


def read_usage(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what was used, row by row: what was never settled stands with the most it may have cost."""
    still_open: dict[Number, Row] = {}
    yield from settled(read_rows(path), still_open)
    yield from (at_most(row) for row in still_open.values())


def read_further(path: Path, start: int, still_open: Iterable[Row]) -> tuple[list[dict[str, Any]], list[Row], int]:
    """Return what has been used beyond byte `start` of a journal, the requests that are still open, and its new end.

    `still_open` is what the reading before this one has left open; OSError if the file cannot be read.
    """
    rows, end = _rows_beyond(path, start)
    known = {number: row for row in still_open if (number := number_of(row, "id")) is not None}
    return list(settled(rows, known)), list(known.values()), end


def _rows_beyond(path: Path, start: int) -> tuple[Iterator[dict[str, Any]], int]:
    """Return the rows of the whole lines beyond byte `start` of a journal, and where those lines end."""
    with path.open("rb") as file:
        file.seek(start)
        data = file.read()
    whole = data.rfind(b"\n") + 1
    return (row for line in data[:whole].splitlines() if (row := parse_row(line)) is not None), start + whole


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole rows of a journal; a missing one has none."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        yield from (row for line in file if (row := parse_row(line)) is not None)
