"""Holding a scripted turn open just before its end, so that somebody outside can look at the running client."""

from __future__ import annotations

import threading

DEFAULT_LIMIT = 120.0


class Pause:
    """A point that the closing sentence waits at, once.

    The client sees a model that takes its time. `limit` (seconds) ends the waiting when nobody resumes.
    """

    def __init__(self, *, limit: float = DEFAULT_LIMIT) -> None:
        self._limit = limit
        self._reached = threading.Event()
        self._resumed = threading.Event()

    def hold(self) -> None:
        """Wait until `resume` was called; blocks, so not for an event loop's own thread."""
        self._reached.set()
        self._resumed.wait(self._limit)

    def reached(self, timeout: float) -> bool:
        """Wait up to `timeout` seconds for the turn to get to its end; tell whether it has."""
        return self._reached.wait(timeout)

    def resume(self) -> None:
        """Let the closing sentence through, now or whenever it comes."""
        self._resumed.set()
