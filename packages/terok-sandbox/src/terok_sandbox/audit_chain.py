"""Checking the hash chain of an audit log, and selecting rows from it, from its end too.

The chain shows that no row between its first and its last was changed, removed, added or moved. It cannot show that
rows were cut off at the end: who keeps the `head` of a report can check that a later log still contains it.
"""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from math import inf
from pathlib import Path
from typing import Any, BinaryIO, Final

from terok_util import json_object

from terok_sandbox.audit import GENESIS, RESUMED, read_audit, rotated, row_hash, row_prev
from terok_sandbox.errors import AuditError

MAX_PROBLEMS: Final = 20
MAX_LINE: Final = 8 * 1024 * 1024
_BLOCK: Final = 64 * 1024
_HASH_TAIL: Final = len(',"hash":""}') + 64


@dataclass(frozen=True, slots=True)
class ChainReport:
    """The result of checking a log.

    `ok` is true for an unbroken chain. `head` is the hash of the last row. `complete` says that the log goes back to
    its first row; otherwise older rows were rotated away. `unchained` counts rows without hash before the chain,
    `torn` lines cut short by a crash and accounted for. `problems` name file and line, at most 20.
    """

    ok: bool
    rows: int
    head: str
    complete: bool
    unchained: int = 0
    torn: int = 0
    problems: tuple[str, ...] = ()


class _Check:
    def __init__(self, *, older: bool) -> None:
        self.older = older
        """Whether rows before the first one may have been rotated away."""
        self.rows = self.unchained = self.torn = 0
        self.head: str | None = None
        self.first: str | None = None
        self.pending: str | None = None
        self.broken = 0
        self.problems: list[str] = []

    def problem(self, text: str) -> None:
        self.broken += 1
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(text)

    def line(self, where: str, line: bytes) -> None:
        self.rows += 1
        body = line.rstrip(b"\r\n")
        digest, prev = row_hash(line), row_prev(line)
        row = json_object(body)
        if row is not None and digest is None and self.head is None:
            self.unchained += 1
            return
        if row is None or digest is None:
            self._settle()
            self.rows -= 1
            self.pending = f"{where}: not a row of the chain"
            return
        if sha256(body[:-_HASH_TAIL]).hexdigest() != digest:
            self.problem(f"{where}: the row was changed after it was written")
        if self.head is None:
            self.first = prev
            if prev != GENESIS and (self.unchained or not self.older):
                self.problem(f"{where}: rows before this one are missing or were changed")
        elif prev != self.head:
            self.problem(f"{where}: does not follow the row before it; rows are missing, added or moved")
        if self.pending is not None and row.get("action") == RESUMED:
            self.torn += 1
            self.pending = None
        self._settle()
        self.head = digest

    def _settle(self) -> None:
        if self.pending is not None:
            self.problem(self.pending)
            self.pending = None

    def report(self, *, torn_end: bool) -> ChainReport:
        if self.pending is not None and torn_end:
            self.torn += 1
            self.pending = None
        self._settle()
        return ChainReport(
            ok=not self.broken,
            rows=self.rows,
            head=self.head or GENESIS,
            complete=self.first in (None, GENESIS),
            unchained=self.unchained,
            torn=self.torn,
            problems=tuple(self.problems),
        )


def verify_audit(path: Path) -> ChainReport:
    """Check the chain of the log at `path`, the part moved aside included; raises AuditError."""
    check, torn_end = _Check(older=rotated(path).exists()), False
    for part in (rotated(path), path):
        try:
            with part.open("rb") as file:
                number = 0
                while line := file.readline(MAX_LINE):
                    number += 1
                    check.line(f"{part.name}:{number}", line)
                    torn_end = not line.endswith(b"\n")
        except FileNotFoundError:
            continue
        except OSError as error:
            raise AuditError(f"{part}: cannot be read: {error.strerror}") from error
    return check.report(torn_end=torn_end)


@dataclass(frozen=True, slots=True)
class AuditEnd:
    """The end of a log: its rows, oldest first, and the check of their chain; `whole` if there are no older ones."""

    rows: tuple[dict[str, Any], ...]
    chain: ChainReport
    whole: bool


def read_audit_end(path: Path, *, limit: int, since: float | None = None) -> AuditEnd:
    """Return the last rows of a log, at most `limit` and none from before `since` (seconds since the epoch).

    The log is read from its end, so that a large one costs no more than what is wanted of it. A line that is no JSON
    object is the row `{"action": "unreadable"}`. AuditError if the log cannot be read.
    """
    found: list[tuple[str, bytes, dict[str, Any]]] = []
    whole = False
    try:
        for place, line in _backwards(path):
            row = json_object(line) or {"action": "unreadable"}
            if len(found) >= limit or (since is not None and _moment(row) < since):
                break
            found.append((place, line, row))
        else:
            whole = True
    except OSError as error:
        raise AuditError(f"{path}: cannot be read: {error.strerror}") from error
    found.reverse()
    check = _Check(older=not whole or rotated(path).exists())
    for place, line, _ in found:
        check.line(place, line)
    torn_end = bool(found) and not found[-1][1].endswith(b"\n")
    return AuditEnd(tuple(row for _, _, row in found), check.report(torn_end=torn_end), whole)


def _backwards(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield the lines of a log, and where each stands, from the last one to the first of the part moved aside."""
    for part in (path, rotated(path)):
        try:
            with part.open("rb") as file:
                for place, line in _lines_backwards(file):
                    yield f"{part.name}, byte {place}", line
        except FileNotFoundError:
            continue


def _lines_backwards(file: BinaryIO) -> Iterator[tuple[int, bytes]]:
    """Yield offset and bytes of each line of a file from its end; what is longer than MAX_LINE comes in pieces."""
    start, rest = file.seek(0, os.SEEK_END), b""
    while start > 0:
        size = min(_BLOCK, start)
        start -= size
        file.seek(start)
        lines = _split(file.read(size) + rest) if len(rest) < MAX_LINE else [file.read(size), rest]
        rest = lines[0]
        place = start + sum(map(len, lines))
        for line in reversed(lines[1:]):
            place -= len(line)
            yield place, line
    if rest:
        yield 0, rest


def _split(data: bytes) -> list[bytes]:
    *lines, last = data.split(b"\n")
    return [*(line + b"\n" for line in lines), *([last] if last else [])]


def _moment(row: dict[str, Any]) -> float:
    """Return when a row was written (seconds since the epoch); infinity if it does not say."""
    try:
        return datetime.fromisoformat(str(row.get("time", "")).replace("Z", "+00:00")).timestamp()
    except (ValueError, TypeError, OverflowError):
        return inf


def select(
    path: Path, *, provider: str | None = None, since: datetime | None = None, tail: int | None = None
) -> Iterator[dict[str, Any]]:
    """Yield the rows of one provider, from a point in time on, or the last `tail` of what is left."""
    rows = (row for row in read_audit(path) if _matches(row, provider, since))
    return rows if tail is None else iter(deque(rows, maxlen=tail))


def _matches(row: dict[str, Any], provider: str | None, since: datetime | None) -> bool:
    if provider is not None and row.get("provider") != provider:
        return False
    if since is None:
        return True
    try:
        return datetime.fromisoformat(str(row.get("time", "")).replace("Z", "+00:00")) >= since
    except (ValueError, TypeError):
        return False
