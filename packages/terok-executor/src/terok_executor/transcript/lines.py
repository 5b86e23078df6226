"""Lines of a stream of bytes whose chunks may end anywhere."""

from __future__ import annotations

from collections.abc import Iterator

MAX_LINE = 1024 * 1024
"""Bytes of a line; what is longer is cut there."""


class BoundedLines:
    """Collects chunks and returns whole lines, without their ends, of at most `MAX_LINE` bytes."""

    def __init__(self) -> None:
        self._parts: list[bytes] = []
        self._size = 0

    def feed(self, chunk: bytes) -> Iterator[bytes]:
        """Add the next bytes and yield the lines that they complete."""
        *whole, rest = chunk.split(b"\n")
        for piece in whole:
            self._add(piece)
            yield self._take()
        self._add(rest)

    def end(self) -> Iterator[bytes]:
        """Yield what stands after the last line end, if anything does."""
        if self._parts:
            yield self._take()

    def _add(self, piece: bytes) -> None:
        if kept := piece[: MAX_LINE - self._size]:
            self._parts.append(kept)
            self._size += len(kept)

    def _take(self) -> bytes:
        line = b"".join(self._parts)
        self._parts, self._size = [], 0
        return line.removesuffix(b"\r")
