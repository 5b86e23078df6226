"""Splitting bytes into lines."""

from __future__ import annotations

from collections.abc import Callable

MAX_LINE = 1024 * 1024
"""Bytes after which a line without an end is handed over in pieces."""


class LineSplitter:
    """Collect chunks and call `on_line` for every line, without its line end."""

    def __init__(self, on_line: Callable[[str], None]) -> None:
        self._on_line = on_line
        self._rest = bytearray()

    def feed(self, chunk: bytes) -> None:
        """Add the next bytes."""
        self._rest += chunk
        *lines, rest = self._rest.split(b"\n")
        self._rest = rest
        for line in lines:
            self._emit(line)
        while len(self._rest) > MAX_LINE:
            self._emit(self._rest[:MAX_LINE])
            del self._rest[:MAX_LINE]

    def end(self) -> None:
        """Hand over the rest after the last line end."""
        if self._rest:
            self._emit(self._rest)
            self._rest = bytearray()

    def _emit(self, line: bytearray) -> None:
        self._on_line(line.removesuffix(b"\r").decode("utf-8", "backslashreplace"))
