"""How much a name below a wildcard may say: an allowed zone must not carry data out in its labels.

A name that matches a wildcard rule is refused when it is longer, deeper or more random than host names are, and new
names below one zone are rationed. Names that were resolved lately are free.
"""

from __future__ import annotations

import math
from collections import Counter, OrderedDict
from typing import Final

from terok_util.token_bucket import TokenBucket

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
    """Return why the `labels` below a wildcard zone look like data instead of a host name."""
    parts = labels.split(".")
    if len(labels) > MAX_BELOW or max(map(len, parts)) > MAX_LABEL:
        return "the name is too long for a wildcard rule"
    if len(parts) > MAX_DEPTH:
        return "the name is too deep for a wildcard rule"
    # Shannon information of the text, from its own letter frequencies.
    bits = sum(count * math.log2(len(labels) / count) for count in Counter(labels).values())
    return "the name looks like encoded data" if bits > MAX_BITS else None


class WildcardLimits:
    """A token bucket of new names for each wildcard zone."""

    def __init__(self) -> None:
        self._zones: OrderedDict[str, tuple[TokenBucket, OrderedDict[str, None]]] = OrderedDict()

    def refuse_name(self, name: str, zone: str, now: float) -> str | None:
        """Count `name` and return why it must wait, or `None`; `now` is a monotonic clock in seconds."""
        if zone not in self._zones:
            self._zones[zone] = TokenBucket(burst=BURST, per_second=PER_SECOND, now=now), OrderedDict()
            if len(self._zones) > _ZONES:
                self._zones.popitem(last=False)
        bucket, known = self._zones[zone]
        if name not in known and not bucket.take_token(now):
            return f"too many new names below {zone}"
        known[name] = None
        known.move_to_end(name)
        if len(known) > _REMEMBERED:
            known.popitem(last=False)
        return None
