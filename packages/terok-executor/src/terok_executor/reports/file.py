"""The file of a task's reports. The container can put anything in its place: all that is read of it is bounded."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import replace
from pathlib import Path
from typing import Self

from terok_util import lean_dataclass

from terok_executor.reports.report import Report, parse_report

REPORTS = "home/reports.jsonl"
"""Where it is below the task's directory; `terok-report` in the image writes it there."""
OLDER = f"{REPORTS}.old"
MAX_READ = 512 * 1024
"""Bytes that are looked at in one call, the newest."""
BURST = 100
PER_SECOND = 2.0
_FLAGS = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC


@lean_dataclass(frozen=True, slots=True)
class ReportCursor:
    """The place up to which reports were read, by a file's number and offset, and how many more may come at `at`."""

    file: int = 0
    offset: int = 0
    left: float = BURST
    at: float = 0.0

    def __str__(self) -> str:
        """Return the cursor as a word that `parse` reads."""
        return f"{self.file}:{self.offset}:{self.left:.3f}:{self.at:.3f}"

    @classmethod
    def parse(cls, text: str) -> ReportCursor:
        """Return the cursor that a word stands for; the beginning for anything else."""
        try:
            file, offset, left, at = text.split(":")
            return cls(int(file), int(offset), float(left), float(at))
        except ValueError:
            return cls()


@lean_dataclass(frozen=True, slots=True)
class ReportBatch:
    """New reports, oldest first, where the next call begins, and how many were left out (too many, or unreadable)."""

    reports: tuple[Report, ...]
    cursor: ReportCursor
    lost: int = 0


def read_reports(task_dir: Path, after: ReportCursor | None = None, *, now: float | None = None) -> ReportBatch:
    """Return the reports that came after the cursor.

    Nothing that the container does to the file raises or makes the call wait. Of more than 100 at once, or 2 a second
    for longer, the newest are returned. `now` is in seconds since the epoch (None: the clock's).
    """
    cursor = after or ReportCursor()
    now = time.time() if now is None else now
    current, older = _Opened(task_dir / REPORTS), _Opened(task_dir / OLDER)
    with current, older:
        if cursor.file == current.number:
            wanted = [(current, cursor.offset)]
        else:
            wanted = [(older, cursor.offset if cursor.file == older.number else 0), (current, 0)]
        lost = int(cursor.file not in (0, current.number, older.number))
        lines: list[bytes] = []
        for opened, offset in wanted:
            read, end, cut = opened.lines(offset)
            lines += read
            lost += cut
            if opened.number:
                cursor = replace(cursor, file=opened.number, offset=end)
    found = [report for line in lines if (report := parse_report(line, now)) is not None]
    told = [one for number, one in enumerate(found) if number == 0 or not _repeats(one, found[number - 1])]
    allowed = min(BURST, cursor.left + max(0.0, now - cursor.at) * PER_SECOND)
    kept = told[max(0, len(told) - int(allowed)) :]
    lost += len(lines) - len(found) + len(told) - len(kept)
    return ReportBatch(tuple(kept), replace(cursor, left=allowed - len(kept), at=now), lost)


def first_session(task_dir: Path) -> str:
    """Return the id of the conversation that was reported first, "" if none was."""
    for name in (OLDER, REPORTS):
        with _Opened(task_dir / name) as opened:
            for line in opened.head():
                if (report := parse_report(line, 0.0)) is not None and report.session:
                    return report.session
    return ""


class _Opened:
    """A file of reports if a regular one is there; `number` is its inode's, 0 without one."""

    def __init__(self, path: Path) -> None:
        self.number = self._size = 0
        self._descriptor = -1
        try:
            self._descriptor = os.open(path, _FLAGS)
        except OSError:
            return
        status = os.fstat(self._descriptor)
        if stat.S_ISREG(status.st_mode):
            self.number, self._size = status.st_ino, status.st_size

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)

    def head(self) -> list[bytes]:
        """Return the first lines."""
        return os.pread(self._descriptor, MAX_READ, 0).split(b"\n")[:-1] if self.number else []

    def lines(self, offset: int) -> tuple[list[bytes], int, int]:
        """Return the whole lines behind the offset, the offset behind them, and 1 if some before them were left out."""
        if not self.number:
            return [], 0, 0
        offset = offset if offset <= self._size else 0
        begin = max(offset, self._size - MAX_READ)
        data = os.pread(self._descriptor, MAX_READ, begin)
        cut = int(begin > offset)
        end = data.rfind(b"\n") + 1
        if not end and len(data) == MAX_READ:  # a line without an end, which nobody waits for
            return [], begin + len(data), 1
        return data[:end].split(b"\n")[cut:-1], begin + end, cut


def _repeats(one: Report, before: Report) -> bool:
    return replace(one, at=0) == replace(before, at=0)
