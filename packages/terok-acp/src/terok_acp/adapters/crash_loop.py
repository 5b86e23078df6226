"""How often an adapter may end by itself before it is not started any more, and how long it may be idle."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

MOST_ENDS: Final = 3
WITHIN: Final = 60.0
IDLE_SECONDS: Final = 600.0
"""After this time without an open turn an adapter is ended; its sessions are taken up again when they are used."""


@dataclass(frozen=True, slots=True)
class CrashLoop:
    """The ends of one agent's adapter that nobody asked for, in seconds of any steady clock."""

    ends: tuple[float, ...] = ()

    def ended(self, now: float) -> CrashLoop:
        """Return the value after one more end."""
        return CrashLoop((*self.ends, now)[-MOST_ENDS:])

    def pause(self, now: float) -> float:
        """Return for how many seconds the adapter must not be started; 0.0 if it may be."""
        if len(self.ends) < MOST_ENDS:
            return 0.0
        return max(0.0, self.ends[0] + WITHIN - now)
