"""Sums of the vault's usage journals by hour, so that a long history is read once: the journals are the truth.

Everything here can be made again from them. A journal that has another inode was put together and is read anew; one
that is gone is forgotten.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from terok_util import LeanTuple

from terok.integrations.sandbox import at_most, read_further
from terok.model.money import COUNTS, By, Used

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping
    from pathlib import Path

    from terok.store.reading import Reading

_KEY: Final = ("hour", "provider", "model", "credential_set", "plan", "priced", "open")
_VALUES: Final = ("nano", *COUNTS)
_AT_ONCE: Final = 25
"""Journals in one transaction: others write the database too."""
_NAMES: Final[Mapping[By, str]] = {
    "task": "coalesce(tasks.project || '/' || tasks.name, journal.task)",
    "project": "coalesce(tasks.project, journal.project)",
    "agent": "coalesce(tasks.agent, journal.agent)",
    "day": "substr(sums.hour, 1, 10)",
    "model": "sums.model",
    "credential": "sums.provider || '/' || sums.credential_set",
}
_FROM: Final = """
FROM usage_sums AS sums JOIN usage_journals AS journal ON journal.path = sums.path
LEFT JOIN tasks ON tasks.container = journal.container
"""
_COLUMNS: Final = ("path", *_KEY, *_VALUES)
_MORE: Final = ", ".join(f"{name} = {name} + excluded.{name}" for name in _VALUES)
_ADD: Final = (
    f"INSERT INTO usage_sums ({', '.join(_COLUMNS)}) VALUES ({', '.join('?' * len(_COLUMNS))})"  # noqa: S608
    f" ON CONFLICT DO UPDATE SET {_MORE}"
)


class Known(LeanTuple):
    """How far a journal has been read: the inode, the bytes, and the requests that were open then."""

    inode: int
    size: int
    open: list[dict[str, Any]]


def refresh(reading: Reading, journals: Mapping[str, Path]) -> None:
    """Take in what was appended to the journals, by their path below the directory of usage; StoreError, OSError."""
    known = {path: (inode, size) for path, inode, size in reading.rows("SELECT path, inode, size FROM usage_journals")}
    stale = [path for path in known if path not in journals]
    changed = []
    for name, path in journals.items():
        try:
            facts = path.stat()
        except FileNotFoundError:  # removed just now
            stale += [name] if name in known else []
            continue
        if known.get(name) != (facts.st_ino, facts.st_size):
            changed.append(name)
    for start in range(0, len(changed), _AT_ONCE):
        _together(reading, changed[start : start + _AT_ONCE], journals)
    if stale:
        _together(reading, [], {}, stale)


def used(reading: Reading, by: By, first: str, last: str, container: str | None = None) -> Iterator[Used]:
    """Yield what was used from hour `first` until before `last`, in groups of one name and one way to pay."""
    sums = ", ".join(f"sum(sums.{name})" for name in _VALUES)
    where, values = "sums.hour >= ? AND sums.hour < ?", [first, last]
    if container is not None:
        where, values = f"{where} AND journal.container = ?", [*values, container]
    for row in reading.rows(
        f"SELECT {_NAMES[by]}, sums.plan, sums.priced, {sums} {_FROM} WHERE {where} GROUP BY 1, 2, 3",
        *values,
    ):
        yield Used(str(row[0] or "-"), bool(row[1]), bool(row[2]), *row[3:])


def _together(reading: Reading, names: Iterable[str], journals: Mapping[str, Path], stale: Iterable[str] = ()) -> None:
    """Read journals in one transaction, so that nobody else counts the same rows."""
    with reading.transaction("BEGIN IMMEDIATE"):
        for name in names:
            _read(reading, name, journals[name])
        for name in stale:
            reading.rows("DELETE FROM usage_journals WHERE path = ?", name)


def _read(reading: Reading, name: str, path: Path) -> None:
    found = reading.rows("SELECT inode, size, open FROM usage_journals WHERE path = ?", name)
    before = Known(found[0][0], found[0][1], json.loads(found[0][2])) if found else Known(0, 0, [])
    facts = path.stat()
    if before.inode != facts.st_ino or before.size > facts.st_size:
        before = Known(facts.st_ino, 0, [])
        reading.rows("DELETE FROM usage_journals WHERE path = ?", name)
    rows, still_open, end = read_further(path, before.size, before.open)
    project, _, container = name.partition("/")
    reading.rows(
        "INSERT OR IGNORE INTO usage_journals (path, inode, size, open, container, task, project, agent)"
        " VALUES (?, 0, 0, '', ?, ?, ?, '-')",
        *(name, container, container, "-" if project.startswith("_") else project),
    )
    text = json.dumps(still_open)
    reading.rows(
        "UPDATE usage_journals SET inode = ?, size = ?, open = ? WHERE path = ?", facts.st_ino, end, text, name
    )
    for task in reading.rows("SELECT project, name, agent FROM tasks WHERE container = ?", container):
        labels = f"{task[0]}/{task[1]}", task[0], task[2]  # which the journal keeps when the task is forgotten
        reading.rows("UPDATE usage_journals SET task = ?, project = ?, agent = ? WHERE path = ?", *labels, name)
    # What is still open counts with the most it may use until it is settled.
    reading.rows("DELETE FROM usage_sums WHERE path = ? AND open = 1", name)
    for key, values in _groups([(row, 0) for row in rows] + [(at_most(row), 1) for row in still_open]).items():
        reading.rows(_ADD, name, *key, *values)


def _groups(rows: Iterable[tuple[Mapping[str, Any], int]]) -> dict[tuple[Any, ...], list[int]]:
    """Return sums by `_KEY`; each row comes with whether it is of a request that is still open."""
    groups: dict[tuple[Any, ...], list[int]] = {}
    for row, is_open in rows:
        texts = [str(row.get(name) or "-")[:MAX_TEXT] for name in ("provider", "model", "credential_set")]
        key = (
            str(row.get("time", ""))[:_HOUR],
            *texts,
            row.get("billing") == "plan",
            not row.get("price_assumed"),
            is_open,
        )
        values = [_count(row, "cost_nano"), _count(row, "requests") if "requests" in row else 1]
        values += [_count(row, name) for name in COUNTS[1:]]
        values[_WRITTEN] += _count(row, "cache_write_1h")
        sums = groups.get(key)
        groups[key] = values if sums is None else [one + other for one, other in zip(sums, values, strict=True)]
    return groups


def _count(row: Mapping[str, Any], key: str) -> int:
    value = row.get(key, 0)
    return value if type(value) is int and value >= 0 else 0


_HOUR: Final = len("2026-01-31T12")
_WRITTEN: Final = _VALUES.index("cache_write")
MAX_TEXT: Final = 128
