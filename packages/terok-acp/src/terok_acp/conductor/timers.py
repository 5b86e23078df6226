"""Things to do later, by the times that come in as events."""

from __future__ import annotations

import heapq
from collections.abc import Callable


class Timers:
    """Calls that are due at a time; the clock is whoever drives this."""

    def __init__(self) -> None:
        self._due: list[tuple[float, int, Callable[[], None]]] = []
        self._count = 0

    def at(self, when: float, call: Callable[[], None]) -> None:
        """Call something at a time; what has become pointless by then does nothing by itself."""
        self._count += 1
        heapq.heappush(self._due, (when, self._count, call))

    def run(self, now: float) -> None:
        """Make the calls that are due."""
        while self._due and self._due[0][0] <= now:
            heapq.heappop(self._due)[2]()

    def next(self) -> float | None:
        """Return when the next call is due."""
        return self._due[0][0] if self._due else None
