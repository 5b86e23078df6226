"""Usage on disk: one JSONL file per container, in one directory per project.

A row is one exchange, appended in one write. Several brokers may write to a project at once; each reads what the others
appended since it last looked. A line torn by a crash is skipped.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from typing import TYPE_CHECKING, Any, Final

from terok_sandbox.errors import AuditError
from terok_sandbox.vault.usage.budget import Totals

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

MAX_FILES: Final = 10_000
_PLAIN = re.compile(r"[a-z0-9][a-z0-9_.-]{0,62}\Z")


def project_dir(base: Path, scope: str) -> Path:
    """Return a project's directory below `base`."""
    if not scope:
        return base / "_"
    return base / (scope if _PLAIN.match(scope) else f"_{hashlib.sha256(scope.encode()).hexdigest()[:24]}")


class Journal:
    """Appends the exchanges of one container and adds up those of its project. Used from one thread."""

    def __init__(self, path: Path, task: str) -> None:
        self._path = path
        self._task = task
        self._fd = -1
        self._read_to: dict[str, int] = {}
        self.task_totals = Totals()
        self.project_totals = Totals()

    def append(self, row: dict[str, Any]) -> None:
        """Write one row; AuditError if it could not be written whole."""
        line = json.dumps({"task": self._task, **row}, separators=(",", ":")).encode() + b"\n"
        try:
            if self._fd < 0:
                self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
                flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
                self._fd = os.open(self._path, flags, 0o600)
                size = os.fstat(self._fd).st_size
                if size and os.pread(self._fd, 1, size - 1) != b"\n":
                    line = b"\n" + line
            if os.write(self._fd, line) != len(line):
                raise AuditError(f"{self._path}: a usage row was written only in part", hint="free some disk space")
        except OSError as exc:
            self.close()
            raise AuditError(f"{self._path}: {exc.strerror}", hint="free some disk space") from exc

    def refresh(self, *, project: bool) -> None:
        """Take in what was appended since: of this container, and with `project` of all in the directory."""
        names = [self._path.name]
        if project and self._path.parent.is_dir():
            with os.scandir(self._path.parent) as entries:
                names += [entry.name for entry in entries if entry.name.endswith(".jsonl")][:MAX_FILES]
        for name in dict.fromkeys(names):
            self._take(self._path.with_name(name))

    def close(self) -> None:
        """Close the file; the next row opens it again."""
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1

    def _take(self, path: Path) -> None:
        start = self._read_to.get(path.name, 0)
        try:
            with path.open("rb") as file:
                file.seek(start)
                data = file.read()
        except FileNotFoundError:
            return
        except OSError as exc:
            raise AuditError(f"{path}: cannot be read: {exc.strerror}") from exc
        whole = data.rfind(b"\n") + 1
        self._read_to[path.name] = start + whole
        for line in data[:whole].splitlines():
            if (row := parse_row(line)) is not None:
                used = totals_of(row)
                self.project_totals.add(used)
                if row["task"] == self._task:
                    self.task_totals.add(used)


def read_rows(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the whole rows of a journal; a missing one has none."""
    try:
        with path.open("rb") as file:
            yield from (row for line in file if (row := parse_row(line)) is not None)
    except FileNotFoundError:
        return


def parse_row(line: bytes) -> dict[str, Any] | None:
    """Return a row of a journal, None for a torn or foreign line."""
    try:
        row = json.loads(line)
    except (ValueError, RecursionError):
        return None
    return row if isinstance(row, dict) and isinstance(row.get("task"), str) else None


def totals_of(row: dict[str, Any]) -> Totals:
    """Return what one row adds."""
    tokens = sum(_number(row, key) for key in ("input", "output", "cache_read", "cache_write"))
    return Totals(1, tokens, _number(row, "sent") + _number(row, "received"), _number(row, "cost_nano"))


def _number(row: dict[str, Any], key: str) -> int:
    value = row.get(key, 0)
    return value if type(value) is int and value >= 0 else 0
