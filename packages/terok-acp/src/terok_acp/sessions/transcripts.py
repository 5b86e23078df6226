"""The record of each session, item by item, so that an editor that comes back sees every item once (R28, R29).

An editor is a number: the last item that it has seen. To catch up it reads what follows its number until nothing does;
from then on, what is appended goes to it at once. Items are the JSON texts of updates as the container wrote them,
since editors may have different names for one directory.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from terok_util import TerokError, remove_tree

from terok_acp.errors import SessionsError
from terok_acp.sessions.segments import Segments

MAX_TRANSCRIPT: Final = 64 * 1024 * 1024
"""Bytes of one transcript; its oldest items go first."""

_MAX_BUFFERED: Final = 256 * 1024
_KEY: Final = re.compile(r"[A-Za-z0-9_-]{1,100}")


class Transcripts:
    """The transcripts below one directory, for one writer.

    Items are buffered until `flush`; a kill loses what was not flushed, and never a part of an item.

    Raises:
        SessionsError: Files there cannot be read or written; also raised by every method.
    """

    def __init__(self, directory: Path, most: int = MAX_TRANSCRIPT) -> None:
        self._directory = directory
        self._most = most
        self._open: dict[str, Segments] = {}
        self._buffers: dict[str, list[bytes]] = {}
        self._buffered = 0
        self._problem: OSError | None = None

    def append(self, key: str, item: str) -> int:
        """Add a JSON object, written on one line, and return its number; the first is 1."""
        segments = self._segments(key)
        line = item.encode() + b"\n"
        if not (line.startswith(b"{") and line.endswith(b"}\n")) or line.count(b"\n") != 1:
            raise ValueError("an item of a transcript is a JSON object on one line")
        buffer = self._buffers.setdefault(key, [])
        buffer.append(line)
        self._buffered += len(line)
        number = segments.next + len(buffer) - 1
        if self._buffered > _MAX_BUFFERED:
            self._write()
        return number

    def flush(self) -> None:
        """Write everything that is buffered.

        What cannot be written is lost, and its numbers stay free: the transcript is no longer complete. This is where
        it is told, also for items that `append` had to write at once.
        """
        self._write()
        problem, self._problem = self._problem, None
        if problem is not None:
            raise self._unusable(problem) from problem

    def last(self, key: str) -> int:
        """Return the number of the last item, 0 if there never was one."""
        return self._segments(key).next + len(self._buffers.get(key, ())) - 1

    def read(self, key: str, after: int, max_bytes: int) -> list[tuple[int, str]]:
        """Return the items that follow number `after`, with their numbers: one at least, then up to `max_bytes`."""
        if key in self._buffers:
            self._write()
        try:
            return [(number, line.decode()) for number, line in self._segments(key).read(after, max_bytes)]
        except OSError as error:
            raise self._unusable(error) from error

    def complete(self, key: str) -> bool:
        """Say whether every item is there since the beginning, or since `clear`."""
        return self._segments(key).complete

    def clear(self, key: str) -> None:
        """Forget all items, as an agent is about to tell them again; numbers go on."""
        if key in self._buffers:
            self._write()
        try:
            self._segments(key).restart()
        except OSError as error:
            raise self._unusable(error) from error

    def remove(self, key: str) -> None:
        """Forget a transcript altogether."""
        directory = self._place(key)
        self._open.pop(key, None)
        self._buffered -= sum(map(len, self._buffers.pop(key, ())))
        if directory.exists():
            try:
                remove_tree(directory)
            except TerokError as error:
                raise SessionsError(error.message, hint=error.hint) from error

    def _write(self) -> None:
        buffers, self._buffers, self._buffered = self._buffers, {}, 0
        for key, lines in buffers.items():
            segments = self._segments(key)
            try:
                segments.append(lines)
            except OSError as error:
                segments.skipped += len(lines)
                self._problem = error

    def _segments(self, key: str) -> Segments:
        segments = self._open.get(key)
        if segments is None:
            try:
                segments = self._open[key] = Segments(self._place(key), self._most)
            except OSError as error:
                raise self._unusable(error) from error
        return segments

    def _place(self, key: str) -> Path:
        if not _KEY.fullmatch(key):
            raise ValueError("not the key of a session")
        return self._directory / key

    def _unusable(self, error: OSError) -> SessionsError:
        problem = f"transcripts in {self._directory} cannot be used: {error.strerror}"
        return SessionsError(problem, hint="see `df` for free disk space, and that the directory is yours")
