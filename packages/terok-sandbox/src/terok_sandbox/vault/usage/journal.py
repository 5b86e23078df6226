"""Usage on disk: one JSONL file per container, in one directory per project.

A request that is billed by tokens is written down before it leaves, with the most it may cost (`pending_tokens`,
`pending_nano` under a number `id`), and once more when it has ended, with what it did cost (`settles` that number).
Any other request is one row. A line torn by a crash is skipped. A file that has grown to MAX_BYTES is put together.
"""

from __future__ import annotations

import json
import os
import secrets
import time
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from terok_util import TerokError, atomic_write, json_object

from terok_sandbox.errors import AuditError
from terok_sandbox.values.limits import Limits

NANO: Final = 1_000_000_000


@dataclass(slots=True)
class Totals:
    """Sums of usage; `cost` in billionths of a USD."""

    requests: int = 0
    tokens: int = 0
    bytes: int = 0
    cost: int = 0

    def __add__(self, other: Totals) -> Totals:
        """Return both together."""
        requests, tokens = self.requests + other.requests, self.tokens + other.tokens
        return Totals(requests, tokens, self.bytes + other.bytes, self.cost + other.cost)


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


MAX_FILES: Final = 10_000
MAX_BYTES: Final = 1024 * 1024
STALE_SECONDS: Final = 2 * 3600.0
MAX_GROUPS: Final = 500
"""Rows that a file is put together to; a container may invent names of models."""
TOKENS: Final = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
GROUPED: Final = ("task", "provider", "model", "billing")
_COUNTS: Final = (*TOKENS, "sent", "received", "cost_nano")

Number = tuple[str, int]
"""The run of a broker, and the number of a request in it."""


class _Book:
    """Sums of one journal file: of all tasks, of one of them, and of requests still open."""

    def __init__(self, task: str) -> None:
        self.task = task
        self.inode = 0
        self.read_to = 0
        self.total, self.of_task = Totals(), Totals()
        self.known = True
        """Whether everything that the one task used has a price."""
        self.plan = 0
        self.open: dict[Number, tuple[Totals, bool, float]] = {}

    def take(self, row: dict[str, Any]) -> None:
        used, ours = totals_of(row), row["task"] == self.task
        self.total += used
        if ours:
            self.of_task += used
            self.known = self.known and not row.get("price_assumed")
            self.plan += used.cost if billing_of(row) == "plan" else 0
        if (number := number_of(row, "settles")) is not None:
            self.open.pop(number, None)
        elif (number := number_of(row, "id")) is not None:
            self.open[number] = (pending_of(row), ours, _seconds(row.get("time")))


class UsageJournal:
    """Appends the exchanges of one container and adds up those of its project. Used from one thread."""

    def __init__(self, path: Path, task: str) -> None:
        self._path = path
        self._task = task
        self.run = secrets.token_hex(4)
        self._fd = -1
        self._most = MAX_BYTES
        self._books: dict[str, _Book] = {}
        self.task_totals, self.project_totals = Totals(), Totals()
        self.cost_known, self.plan_cost = True, 0
        self.task_pending, self.project_pending = Totals(), Totals()

    def append(self, row: dict[str, Any]) -> None:
        """Write one row; AuditError if it could not be written whole."""
        line = json.dumps({"task": self._task, "run": self.run, **row}, separators=(",", ":")).encode() + b"\n"
        try:
            if self._fd >= 0 and os.fstat(self._fd).st_nlink == 0:  # put together, or removed
                self.close()
            if self._fd < 0:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
                self._fd = os.open(self._path, flags, 0o600)
            size = os.fstat(self._fd).st_size
            if size and os.pread(self._fd, 1, size - 1) != b"\n":
                line = b"\n" + line
            if os.write(self._fd, line) != len(line):
                raise AuditError(f"{self._path}: a usage row was written only in part", hint="free some disk space")
            if size > self._most:
                self._put_together(size)
        except OSError as error:
            self.close()
            raise AuditError(f"{self._path}: {error.strerror}", hint="free some disk space") from error

    def refresh(self, *, project: bool) -> None:
        """Take in what was appended since: of this container, and with `project` of all in the directory.

        What an earlier broker of this container left open, and anybody for STALE_SECONDS, is as good as used: nobody
        will settle it.
        """
        found = {self._path.name: self._path}
        if project and self._path.parent.is_dir():
            with os.scandir(self._path.parent) as entries:
                names = [entry.name for entry in entries if entry.name.endswith(".jsonl")][:MAX_FILES]
            found |= {name: self._path.with_name(name) for name in names}
        for path in found.values():
            self._take(path)
        total, of_task, pending, ours = Totals(), Totals(), Totals(), Totals()
        stale = time.time() - STALE_SECONDS
        self.cost_known = all(book.known for book in self._books.values())
        self.plan_cost = sum(book.plan for book in self._books.values())
        for name, book in self._books.items():
            total, of_task = total + book.total, of_task + book.of_task
            for (run, _), (most, of_us, since) in book.open.items():
                dead = (name == self._path.name and run != self.run) or since < stale
                total, pending = (total + most, pending) if dead else (total, pending + most)
                if of_us:
                    of_task, ours = (of_task + most, ours) if dead else (of_task, ours + most)
        self.task_totals, self.project_totals, self.task_pending, self.project_pending = of_task, total, ours, pending

    def close(self) -> None:
        """Close the file; the next row opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _take(self, path: Path) -> None:
        try:
            status = path.stat()
            book = self._books.get(path.name)
            if book is None or book.inode != status.st_ino or book.read_to > status.st_size:
                book = self._books[path.name] = _Book(self._task)
                book.inode = status.st_ino
            if book.read_to == status.st_size:
                return
            with path.open("rb") as file:
                file.seek(book.read_to)
                data = file.read()
        except FileNotFoundError:
            return
        except OSError as error:
            raise AuditError(f"{path}: cannot be read: {error.strerror}") from error
        whole = data.rfind(b"\n") + 1
        book.read_to += whole
        for line in data[:whole].splitlines():
            if (row := parse_row(line)) is not None:
                book.take(row)

    def _put_together(self, size: int) -> None:
        """Make the file small again; without room for that on the disk it grows on for a while."""
        lines = [json.dumps(row, separators=(",", ":")) + "\n" for row in put_together(read_rows(self._path))]
        try:
            atomic_write(self._path, "".join(lines), mode=0o600)
            self._most = MAX_BYTES
        except (OSError, TerokError):
            self._most = 2 * size


def put_together(rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return few rows that say the same as many: sums by `GROUPED` and day, and what is still open."""
    groups: dict[tuple[str, ...], dict[str, Any]] = {}
    still_open: dict[Number, dict[str, Any]] = {}
    for row in rows:
        if (number := number_of(row, "settles")) is not None:
            still_open.pop(number, None)
        elif (number := number_of(row, "id")) is not None:
            still_open[number] = {**row, "requests": 0}
        provider, model, day = (str(row.get(name, "")) for name in ("provider", "model", "time"))
        key: tuple[str, ...] = (row["task"], provider, model, billing_of(row), day[:10])
        if key not in groups and len(groups) >= MAX_GROUPS:
            key = (row["task"], provider, "", key[3], "")
        group = groups.setdefault(key, {**dict(zip(GROUPED, key, strict=False)), "requests": 0})
        group["time"] = row.get("time", "")
        group["requests"] += totals_of(row).requests
        for name in _COUNTS:
            group[name] = group.get(name, 0) + _number(row, name)
        for mark in ("estimated", "price_assumed"):
            if row.get(mark):
                group[mark] = True
    return [*groups.values(), *still_open.values()]


def read_usage(path: Path) -> Iterator[dict[str, Any]]:
    """Yield what was used, row by row: what was never settled stands with the most it may have cost."""
    still_open: dict[Number, dict[str, Any]] = {}
    for row in read_rows(path):
        if (number := number_of(row, "id")) is not None:
            still_open[number] = row
            continue
        if (number := number_of(row, "settles")) is not None:
            opened = still_open.pop(number, None)
            row = {**row, "requests": 0 if opened is None else totals_of(opened).requests}  # noqa: PLW2901
        yield row
    for row in still_open.values():
        most = pending_of(row)
        yield {**row, "output": most.tokens, "cost_nano": most.cost, "estimated": True}


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole rows of a journal; a missing one has none."""
    with suppress(FileNotFoundError), path.open("rb") as file:
        yield from (row for line in file if (row := parse_row(line)) is not None)


def parse_row(line: bytes) -> dict[str, Any] | None:
    """Return a row of a journal, None for a torn or foreign line."""
    row = json_object(line)
    return row if row is not None and isinstance(row.get("task"), str) else None


def number_of(row: dict[str, Any], key: str) -> Number | None:
    """Return which request a row opens (`id`) or settles, None if it does not."""
    return (str(row.get("run", "")), row[key]) if type(row.get(key)) is int else None


def totals_of(row: dict[str, Any]) -> Totals:
    """Return the usage that one row adds. A request counts with the row that opens it."""
    requests = _number(row, "requests") if "requests" in row else int("settles" not in row)
    tokens = sum(_number(row, key) for key in TOKENS)
    return Totals(requests, tokens, _number(row, "sent") + _number(row, "received"), _number(row, "cost_nano"))


def pending_of(row: dict[str, Any]) -> Totals:
    """Return the most that the request of an opening row may use."""
    return Totals(tokens=_number(row, "pending_tokens"), cost=_number(row, "pending_nano"))


def billing_of(row: dict[str, Any]) -> str:
    """Return how the use in a row is paid for: `metered` or `plan`."""
    return "plan" if row.get("billing") == "plan" else "metered"


def _seconds(when: object) -> float:
    try:
        return datetime.fromisoformat(str(when).replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def _number(row: dict[str, Any], key: str) -> int:
    value = row.get(key, 0)
    return value if type(value) is int and value >= 0 else 0
