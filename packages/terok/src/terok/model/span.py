"""Spans of time as a person writes them, and days as budgets count them. Pure."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Final

from terok_util import UsageError

FOREVER: Final = "~"
"""An hour behind all others."""
_AGE: Final = re.compile(r"([0-9]{1,6})([mhdw])")
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


def hours_between(since: str | None, until: str | None, now: float) -> tuple[str, str]:
    """Return the first hour and the one after the last, as journals write times, of a span; UsageError for a wrong one.

    Use is kept by the hour: one that has only begun counts whole.
    """
    first = "" if since is None else parse_time(since, now)[:13]
    if until is None:
        return first, FOREVER
    last = parse_time(until, now)
    return first, last[:13] if last[13:] == _FULL_HOUR else last[:13] + FOREVER


def today(at: float) -> str:
    """Return the day (UTC) of a time, as budgets and journals have it."""
    return datetime.fromtimestamp(at, UTC).date().isoformat()


def parse_time(text: str, now: float) -> str:
    """Return when a span such as `24h` or `7d` began, or a date or time, as journals write times; else UsageError."""
    if match := _AGE.fullmatch(text):
        return _written(datetime.fromtimestamp(max(0.0, now - int(match[1]) * _SECONDS[match[2]]), UTC))
    try:
        moment = datetime.fromisoformat(text)
        return _written((moment if moment.tzinfo is not None else moment.astimezone()).astimezone(UTC))
    except (ValueError, OverflowError):
        raise UsageError(f"not a time: {text[:40]!r}", hint="write 90m, 24h, 7d, 2w or 2026-01-31") from None


def _written(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


_FULL_HOUR: Final = ":00:00.000Z"
