"""Times as a person reads them. Pure."""

from __future__ import annotations

from datetime import UTC, datetime

from terok.model.shown import age
from terok.tui.views.rows import passed

_UNKNOWN = "-"


def clock(at: float | None) -> str:
    """Return the time of day, to the second."""
    return _local(at, "%H:%M:%S")


def day_and_clock(at: float | None) -> str:
    """Return the day and the time of day."""
    return _local(at, "%Y-%m-%d %H:%M:%S")


def until(at: float, now: float) -> str:
    """Return how long it is until a time, or that it is over."""
    return f"for {age(at - now)}" if at > now else f"over since {passed(now - at)}"


def _local(at: float | None, form: str) -> str:
    if at is None:
        return _UNKNOWN
    try:
        return datetime.fromtimestamp(at, UTC).astimezone().strftime(form)
    except (ValueError, OverflowError, OSError):
        return _UNKNOWN
