"""The files of one transcript: lines that are only ever appended, in segments named by their first number.

A segment `12.jsonl` holds the items 12, 13, …, a line each; `12-start.jsonl` says that nothing came before it. So a
number needs no place in a line, the oldest items go by unlinking a file, and whatever a kill leaves behind is a prefix.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from terok_util import ensure_dir

_NAME = re.compile(r"([1-9][0-9]{0,15})(-start)?\.jsonl")
_FLAGS = os.O_NOFOLLOW | os.O_CLOEXEC


@dataclass(slots=True)
class Segment:
    """One file: its first number, how many lines it has, and its bytes."""

    path: Path
    first: int
    start: bool
    count: int = 0
    size: int = 0

    @property
    def next(self) -> int:
        """Return the number of the item after the last one here."""
        return self.first + self.count


class Segments:
    """The transcript in `directory`, with at most about `most` bytes; raises OSError."""

    def __init__(self, directory: Path, most: int) -> None:
        self._directory = directory
        self._most = most
        self._segments = _found(directory)
        self._place = (0, 0, 0)  # where the last reading ended: segment, number and offset of the next line
        self.skipped = 0
        """Numbers that were given to items which could not be written."""

    @property
    def next(self) -> int:
        """Return the number that the next item gets."""
        return (self._segments[-1].next if self._segments else 1) + self.skipped

    @property
    def complete(self) -> bool:
        """Say whether no item is missing: not at the beginning, and none between."""
        if not self._segments:
            return self.skipped == 0
        follows = all(one.next == other.first for one, other in zip(self._segments, self._segments[1:], strict=False))
        return self._segments[0].start and follows and self.skipped == 0

    def append(self, lines: list[bytes]) -> None:
        """Write items, each ended by a line feed; after an error nothing of them is there."""
        segment = self._segments[-1] if self._segments else None
        if segment is None or self.skipped or segment.size >= self._most // 8:
            segment = self._new(start=segment is None and not self.skipped)
            self._segments, self.skipped = [*self._segments, segment], 0
        data = b"".join(lines)
        descriptor = os.open(segment.path, os.O_WRONLY | _FLAGS)
        try:
            os.lseek(descriptor, segment.size, os.SEEK_SET)
            _write_all(descriptor, data, segment.size)
        finally:
            os.close(descriptor)
        segment.count += len(lines)
        segment.size += len(data)
        while len(self._segments) > 1 and sum(one.size for one in self._segments) > self._most:
            self._segments.pop(0).path.unlink(missing_ok=True)

    def read(self, after: int, most: int) -> list[tuple[int, bytes]]:
        """Return the items that follow number `after`: at least one if there is one, then while `most` bytes last."""
        items: list[tuple[int, bytes]] = []
        for segment in self._segments:
            if segment.count and segment.next > after + 1 and most > 0:
                for number, line in self._lines(segment, max(after + 1, segment.first)):
                    items.append((number, line))
                    most -= len(line)
                    if most <= 0:
                        break
        return items

    def restart(self) -> None:
        """Begin again with nothing; numbers go on."""
        new = self._new(start=True)
        old = [segment for segment in self._segments if segment.path != new.path]
        self._segments, self.skipped = [new], 0
        for segment in old:
            segment.path.unlink(missing_ok=True)

    def _new(self, *, start: bool) -> Segment:
        """Make the file of the next item. From then on, with `start`, only it counts."""
        ensure_dir(self._directory)
        first = self.next
        segment = Segment(self._directory / f"{first}{'-start' if start else ''}.jsonl", first, start)
        os.close(os.open(segment.path, os.O_WRONLY | os.O_CREAT | _FLAGS, 0o600))
        return segment

    def _lines(self, segment: Segment, number: int) -> Iterator[tuple[int, bytes]]:
        descriptor = os.open(segment.path, os.O_RDONLY | _FLAGS)
        with open(descriptor, "rb") as file:  # noqa: PTH123 - a descriptor
            first, at, offset = self._place
            if first != segment.first or at > number:
                at, offset = segment.first, 0
            file.seek(offset)
            while at < segment.next and (line := file.readline()):
                at += 1
                offset += len(line)
                if at > number:
                    self._place = (segment.first, at, offset)
                    yield at - 1, line[:-1]


def _found(directory: Path) -> list[Segment]:
    """Return the segments that count, after removing what a kill has left behind."""
    try:
        names = [name for path in directory.iterdir() if (name := _NAME.fullmatch(path.name))]
    except FileNotFoundError:
        return []
    segments = [Segment(directory / name[0], int(name[1]), bool(name[2])) for name in names]
    segments.sort(key=lambda segment: segment.first)
    begin = max((place for place, segment in enumerate(segments) if segment.start), default=0)
    for segment in segments[:begin]:
        segment.path.unlink(missing_ok=True)
    for segment in segments[begin:]:
        _measure(segment)
    return segments[begin:]


def _measure(segment: Segment) -> None:
    descriptor = os.open(segment.path, os.O_RDWR | _FLAGS)
    with open(descriptor, "r+b") as file:  # noqa: PTH123 - a descriptor
        for line in file:
            if not (line.startswith(b"{") and line.endswith(b"}\n")):
                file.truncate(segment.size)
                break
            segment.count += 1
            segment.size += len(line)


def _write_all(descriptor: int, data: bytes, size: int) -> None:
    rest = memoryview(data)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except OSError:
        os.ftruncate(descriptor, size)
        raise
