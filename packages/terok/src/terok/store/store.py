"""The database, opened."""

from __future__ import annotations

import os
import time
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

from terok.paths import database_path
from terok.store.connection import connect, empty
from terok.store.reading import Reading, Snapshot

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path
    from types import TracebackType
    from typing import Self

    from terok.store.writer import Writer


class Store(Reading):
    """The database at `path`, by default this user's; also a context manager.

    With `create` False nothing is written to disk before it exists: a missing database is read as an empty one. It may
    be used by several threads, one at a time. Errors are StoreError and its children.
    """

    def __init__(self, path: Path | None = None, *, create: bool = True) -> None:
        place = database_path() if path is None else path
        found = connect(place, create=create)
        super().__init__(empty(place) if found is None else found, place)
        self._is_there = found is not None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    @contextmanager
    def write(self, at: float | None = None) -> Iterator[Writer]:
        """Give a writer for one transaction at time `at`, now by default; it counts once the block has ended."""
        from terok.store.writer import Writer  # a verb that only reads needs neither it nor the judge

        if not self._is_there and (made := connect(self.path, create=True)) is not None:
            self._connection.close()
            self._connection, self._is_there = made, True
        writer = Writer(self._connection, self.path, time.time() if at is None else at)
        with self.transaction("BEGIN IMMEDIATE"):
            yield writer
            writer.settle()
        with suppress(OSError):
            os.utime(self.path)  # for who watches the file: the log was written before the commit could be read

    def snapshot(self) -> Snapshot:
        """Return all tasks, and the number of the last event before them, of one moment."""
        with self.transaction("BEGIN"):
            return Snapshot(self.tasks(), self.last_seq())
