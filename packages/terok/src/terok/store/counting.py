"""Counted time in the database: read by whoever keeps something for days, carried on by who tidies."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from terok.model.counted import Count, Moment, advanced, count_from_json, counted
from terok.store.lease import own_lease

if TYPE_CHECKING:
    from terok.store.reading import Reading
    from terok.store.writer import Writer

COUNTED: Final = "counted"
"""The setting with the count."""


def this_moment() -> Moment:
    """Return the present moment of this machine."""
    return Moment(own_lease().boot, time.clock_gettime(time.CLOCK_BOOTTIME), time.time())


def counted_now(store: Reading, now: Moment | None = None) -> float:
    """Return the counted time, which is the clock's on most days."""
    return counted(count_from_json(store.setting(COUNTED)), now or this_moment())


def count_on(writer: Writer, now: Moment) -> Count:
    """Carry the count on to a moment."""
    count = advanced(count_from_json(writer.setting(COUNTED)), now)
    writer.set(COUNTED, count)
    return count
