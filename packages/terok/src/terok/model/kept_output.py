"""The beginning and the end of an output of any length."""

from __future__ import annotations

from collections import deque
from typing import Final

HEAD: Final = 16 * 1024
TAIL: Final = 48 * 1024
"""Characters that are kept of the beginning, and of the end."""


class KeptOutput:
    """Takes lines and keeps the first and the last of them."""

    def __init__(self) -> None:
        self.total = 0
        """Characters so far, line ends included."""
        self._head: list[str] = []
        self._tail: deque[str] = deque()
        self._room, self._held = HEAD, 0
        self._left_out = 0

    def add(self, line: str) -> None:
        """Take one line, without its end."""
        size = len(line) + 1
        self.total += size
        if not self._tail and not self._left_out and size <= self._room:
            self._head.append(line)
            self._room -= size
            return
        if size > TAIL:
            self._left_out += size - TAIL
            line, size = line[size - TAIL :], TAIL
        self._tail.append(line)
        self._held += size
        while self._held > TAIL:
            gone = len(self._tail.popleft()) + 1
            self._held -= gone
            self._left_out += gone

    def text(self) -> tuple[str, int]:
        """Return what is kept, with a line in place of what is not, and how many characters those were."""
        middle = [f"… {self._left_out} characters are left out …"] if self._left_out else []
        return "".join(f"{line}\n" for line in (*self._head, *middle, *self._tail)), self._left_out
