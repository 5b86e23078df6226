"""A limit on how often something may happen."""

from __future__ import annotations


class TokenBucket:
    """Allows a burst, and then so many a second; full at the beginning.

    Every time is given by the caller, in seconds of whatever clock it uses. A clock that is set back refills nothing.
    """

    __slots__ = ("_burst", "_filled_at", "_per_second", "_tokens")

    def __init__(self, *, burst: float, per_second: float, now: float) -> None:
        self._burst = self._tokens = burst
        self._per_second = per_second
        self._filled_at = now

    def take_token(self, now: float) -> bool:
        """Count one event and return True, or return False when there are too many."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._filled_at) * self._per_second)
        self._filled_at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
