"""How much a branch changes, from git's own numbers: lines and files. Pure; names are hostile bytes."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping


class FileChange(NamedTuple):
    """The lines that one file gains and loses; None for a file that git does not read as text."""

    path: str
    added: int | None
    deleted: int | None


class Size(NamedTuple):
    """The size of a change: lines gained and lost, files, and how many of these are not text."""

    added: int
    deleted: int
    files: int
    binary: int = 0

    @property
    def lines(self) -> int:
        """Lines gained and lost together."""
        return self.added + self.deleted


def parse_numstat(data: bytes) -> list[FileChange]:
    """Return the files of `git diff-tree --numstat -z --no-renames`; a row of another form is left out.

    A name keeps bytes that are not UTF-8 as surrogates, so that two names are one only if git says so.
    """
    found = []
    for row in data.split(b"\0"):
        cells = row.split(b"\t", 2)
        if len(cells) == 3 and cells[2]:
            found.append(FileChange(cells[2].decode("utf-8", "surrogateescape"), _count(cells[0]), _count(cells[1])))
    return found


def size_of(changes: Iterable[FileChange]) -> Size:
    """Return the size of all changes together."""
    rows = list(changes)
    return Size(
        sum(one.added or 0 for one in rows),
        sum(one.deleted or 0 for one in rows),
        len(rows),
        sum(one.added is None for one in rows),
    )


def touched_by_several(changes: Mapping[int, Iterable[FileChange]]) -> dict[str, tuple[int, ...]]:
    """Return the files that more than one of the numbered changes touch, with the numbers."""
    found: dict[str, list[int]] = {}
    for number in sorted(changes):
        for path in {one.path for one in changes[number]}:
            found.setdefault(path, []).append(number)
    return {path: tuple(numbers) for path, numbers in sorted(found.items()) if len(numbers) > 1}


def _count(cell: bytes) -> int | None:
    return int(cell) if cell.isdigit() and len(cell) < 16 else None
