"""The output of a command, as it comes: the newest lines of it, bounded, whatever its speed.

The command is a process of its own, so that reading ten megabytes a second costs the loop nothing.
"""

from __future__ import annotations

import os
import select
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

from terok_util import TerokError
from terok_util.process import PIPE, STDOUT, kill_tree, spawn

from terok.tui.background.opening import command_line

if TYPE_CHECKING:
    from terok_util.process import Process

    from terok.tui.background.posts import Post

MOST_LINES: Final = 50_000
MOST_BYTES: Final = 16 * 1024 * 1024
PACE: Final = 1 / 30
"""Seconds between two news of an output that does not stop."""
_AT_A_TIME: Final = 256 * 1024
_LONGEST: Final = 16_384
"""Bytes of a line that are kept."""


class Grown(NamedTuple):
    """There is more of an output, or it has ended with a code or a reason."""

    output: Output
    code: int | None = None
    error: str = ""


class Output:
    """The lines of one command of terok. `first` is the number of the oldest line that is kept."""

    def __init__(self, words: Sequence[str], post: Post) -> None:
        self.words = tuple(words)
        self.first = 0
        self.ended: Grown | None = None
        self._post = post
        self._lines: list[bytes] = []
        self._bytes = 0
        self._lock = threading.Lock()
        self._child: Process | None = None
        self._closed = False
        self._told = False

    def start(self) -> None:
        """Start the command."""
        threading.Thread(target=self._run, name="output", daemon=True).start()

    def close(self) -> None:
        """End the command; in a thread, because its processes are waited for."""
        self._closed = True
        if (child := self._child) is not None and self.ended is None:
            threading.Thread(target=kill_tree, args=(child,), name="end output", daemon=True).start()

    def seen(self) -> None:
        """Say that the last news was drawn: the next may come."""
        self._told = False

    @property
    def count(self) -> int:
        """The number of the line after the last one."""
        return self.first + len(self._lines)

    def lines(self, start: int, end: int) -> list[str]:
        """Return the lines from `start` to before `end`, of those that are kept, not yet made safe."""
        with self._lock:
            found = self._lines[max(start - self.first, 0) : max(end - self.first, 0)]
        return [line.decode("utf-8", "replace") for line in found]

    def find(self, wanted: str, start: int, step: int) -> int | None:
        """Return the number of the next line with a text, from `start` on in either direction, or None."""
        needle = wanted.lower().encode()
        with self._lock:
            lines, first = list(self._lines), self.first
        here = min(max(start - first, -1), len(lines))
        numbers = range(max(here, 0), len(lines)) if step > 0 else range(min(here, len(lines) - 1), -1, -1)
        return next((first + number for number in numbers if needle in lines[number].lower()), None)

    def _run(self) -> None:
        try:
            self._child = child = spawn(command_line(self.words), stdout=PIPE, stderr=STDOUT)
            assert child.stdout is not None
            with child.stdout:
                self._read(child, child.stdout.fileno())
            self.ended = Grown(self, child.wait())
        except (TerokError, OSError) as error:
            self.ended = Grown(self, None, str(error))
        self._post(self.ended)

    def _read(self, child: Process, source: int) -> None:
        if self._closed:
            kill_tree(child)
        poll = select.poll()
        poll.register(source, select.POLLIN)
        rest, told_at, news = b"", 0.0, False
        while True:
            due = told_at + PACE - time.monotonic() if news else None
            if due is not None and due <= 0:
                if not self._told:
                    self._told, news, told_at = True, False, time.monotonic()
                    self._post(Grown(self))
                due = PACE
            if not poll.poll(None if due is None or not news else due * 1000):
                continue
            with suppress(BlockingIOError):
                data = os.read(source, _AT_A_TIME)
                if not data:
                    break
                *lines, rest = (rest + data).split(b"\n")
                rest = rest[:_LONGEST]
                news |= self._take(lines)
        self._take([rest] if rest else [])

    def _take(self, lines: list[bytes]) -> bool:
        with self._lock:
            self._lines += [line[:_LONGEST] for line in lines]
            self._bytes += sum(map(len, lines))
            if len(self._lines) > MOST_LINES or self._bytes > MOST_BYTES:
                # A quarter at once: the front of a list is not taken away line by line.
                gone = max(len(self._lines) // 4, len(self._lines) - MOST_LINES)
                self._bytes -= sum(map(len, self._lines[:gone]))
                del self._lines[:gone]
                self.first += gone
        return bool(lines)
