"""How much a name below a wildcard may say: an allowed zone must not carry data out in its labels.

A name that matches a wildcard rule is refused when it is longer, deeper or more random than host names are, and new
names under one zone are rationed. Names that were resolved lately are free.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from typing import Final

MAX_LABEL: Final = 40
MAX_BELOW: Final = 80
MAX_DEPTH: Final = 5
MAX_BITS: Final = 200.0
BURST: Final = 60.0
PER_SECOND: Final = 0.2
_REMEMBERED: Final = 512
_ZONES: Final = 256


def below(name: str, zone: str) -> str:
    """Return the labels of `name` below `zone`."""
    return name.removesuffix("." + zone)


def shape_refusal(labels: str) -> str | None:
    """Return why `labels` (what stands below a wildcard zone) look like data instead of a host name."""
    parts = labels.split(".")
    if len(labels) > MAX_BELOW or max(map(len, parts)) > MAX_LABEL:
        return "the name is too long for a wildcard rule"
    if len(parts) > MAX_DEPTH:
        return "the name is too deep for a wildcard rule"
    if information(labels) > MAX_BITS:
        return "the name looks like encoded data"
    return None


def information(text: str) -> float:
    """Return the Shannon information of `text` in bits, from its own letter frequencies."""
    total = len(text)
    return sum(count * math.log2(total / count) for count in Counter(text).values())


class ZoneBudget:
    """A token bucket of new names for each wildcard zone; `now` is a monotonic clock in seconds."""

    def __init__(self) -> None:
        self._zones: OrderedDict[str, _Zone] = OrderedDict()

    def refusal(self, name: str, zone: str, now: float) -> str | None:
        """Count `name` and return why it must wait, or `None`."""
        bucket = self._zones.get(zone)
        if bucket is None:
            bucket = self._zones[zone] = _Zone(now)
            if len(self._zones) > _ZONES:
                self._zones.popitem(last=False)
        return None if bucket.take(name, now) else f"too many new names below {zone}"


class _Zone:
    def __init__(self, now: float) -> None:
        self._tokens = BURST
        self._at = now
        self._known: OrderedDict[str, None] = OrderedDict()

    def take(self, name: str, now: float) -> bool:
        if name in self._known:
            self._known.move_to_end(name)
            return True
        self._tokens = min(BURST, self._tokens + max(0.0, now - self._at) * PER_SECOND)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        self._known[name] = None
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)
        return True
