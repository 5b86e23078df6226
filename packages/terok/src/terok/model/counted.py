"""Counted time: the time that has passed for all anybody can tell, whatever the clock is set to. Pure.

What is deleted is kept for days; a clock that is set forward must not end them. So while the machine runs its own
count of seconds holds, and at a boot the clock is believed once it has not been set for a while.
"""

from __future__ import annotations

from typing import Any, Final, NamedTuple

SETTLES: Final = 3600.0
"""Seconds after which the clock of a new boot is believed, unless it was set meanwhile."""
SET: Final = 60.0
"""Seconds by which the clock and the machine's own count may differ."""
AWAY: Final = 14 * 86400.0
"""Seconds that the machine is believed to have been off for at most."""


class Moment(NamedTuple):
    """A moment: the boot, the seconds since it (also those asleep), and the clock."""

    boot: str
    uptime: float
    clock: float


class Count(NamedTuple):
    """Time as it was counted at a moment; `settling` is when the clock of a later boot was first seen."""

    counted: float
    at: Moment
    settling: Moment | None = None

    @property
    def settled(self) -> bool:
        """Whether nothing is waited for."""
        return self.settling is None


def counted(count: Count | None, now: Moment) -> float:
    """Return the counted time, in seconds since the epoch; the clock's where nothing was counted before."""
    if count is None:
        return now.clock
    ran = now.uptime - count.at.uptime if now.boot == count.at.boot else now.uptime
    return count.counted + max(0.0, ran)


def advanced(count: Count | None, now: Moment) -> Count:
    """Return the count as it stands at a moment."""
    if count is None or now.boot == count.at.boot:
        return Count(counted(count, now), now)
    first = count.settling
    if first is None or first.boot != now.boot or abs((now.clock - first.clock) - (now.uptime - first.uptime)) > SET:
        return count._replace(settling=now)
    if now.uptime - first.uptime < SETTLES:
        return count
    off = min(AWAY, now.clock - count.at.clock)
    return Count(count.counted + max(now.uptime, off), now)


def count_from_json(kept: Any) -> Count | None:
    """Return a count from JSON; None for anything else."""
    try:
        total, at, settling = kept
        return Count(float(total), _moment(at), None if settling is None else _moment(settling))
    except (TypeError, ValueError):
        return None


def _moment(kept: Any) -> Moment:
    boot, uptime, clock = kept
    return Moment(str(boot), float(uptime), float(clock))
