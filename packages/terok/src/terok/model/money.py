"""Use and cost added up: what a plan pays for has no price, and a price that is not known is never zero. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from terok_util import UsageError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable
    from typing import Any

By = Literal["task", "project", "day", "model", "agent", "credential"]
NEARLY: Final = "budget_near"
"""The kind of event that says that four fifths of a limit are used."""
NANO: Final = 1_000_000_000
COUNTS: Final = (
    *("requests", "input", "output", "cache_read", "cache_write", "reasoning"),
    *("retries", "aborted", "failed", "estimated"),
)
"""Numbers of which a sum has the sum."""
_AGE: Final = re.compile(r"([0-9]{1,6})([mhdw])")
_SECONDS: Final = {"m": 60, "h": 3600, "d": 86400, "w": 604800}


class Used(NamedTuple):
    """Use of one group that is paid for in one way: `nano` billionths of a dollar, if it is `priced` and no `plan`.

    `estimated` counts the requests of which something had to be assumed.
    """

    name: str
    plan: bool
    priced: bool
    nano: int
    requests: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    retries: int = 0
    aborted: int = 0
    failed: int = 0
    estimated: int = 0


@dataclass(slots=True)
class Sum:
    """The use of one group.

    `cost_usd` is None if a price is not known, and then it is `at_least_usd`; what a plan pays for is in neither, but
    in `plan_requests` and `plan_tokens`. `output` includes `reasoning`, as far as a provider tells it.
    """

    name: str
    requests: int = 0
    input: int = 0
    output: int = 0
    cache_read: int = 0
    cache_write: int = 0
    reasoning: int = 0
    retries: int = 0
    aborted: int = 0
    failed: int = 0
    estimated: int = 0
    tokens: int = 0
    cost_usd: float | None = 0.0
    at_least_usd: float = 0.0
    plan_requests: int = 0
    plan_tokens: int = 0

    @property
    def cached(self) -> int:
        """Tokens that a cache has to do with."""
        return self.cache_read + self.cache_write

    @property
    def cost(self) -> str:
        """The cost for a person: `?` where a price is not known, `plan` where a plan pays."""
        if self.cost_usd is None:
            metered = f"at least ${self.at_least_usd:.4f}" if self.at_least_usd else "?"
        else:
            metered = f"${self.cost_usd:.4f}" + (" or so" if self.estimated and self.cost_usd else "")
        if not self.plan_requests:
            return metered
        return "plan" if self.cost_usd == 0 else f"{metered} + plan"


def summarize(rows: Iterable[Used], by: By = "task") -> list[Sum]:
    """Return a sum for each name, the dearest first, days in their order."""
    sums: dict[str, Sum] = {}
    nano: dict[str, int] = {}
    for row in rows:
        one = sums.setdefault(row.name, Sum(row.name))
        for name in COUNTS:
            setattr(one, name, getattr(one, name) + getattr(row, name))
        tokens = row.input + row.output + row.cache_read + row.cache_write
        one.tokens += tokens
        if row.plan:
            one.plan_requests += row.requests
            one.plan_tokens += tokens
        elif row.priced:
            nano[row.name] = nano.get(row.name, 0) + row.nano
        else:
            one.cost_usd = None
    for name, one in sums.items():
        one.at_least_usd = round(nano.get(name, 0) / NANO, 6)
        one.cost_usd = None if one.cost_usd is None else one.at_least_usd
    order: Callable[[Sum], Any] = (lambda one: one.name) if by == "day" else _dearest
    return sorted(sums.values(), key=order)


def total(rows: Iterable[Used]) -> Sum:
    """Return all together; a price that is not known makes the whole unknown."""
    found = summarize(row._replace(name="total") for row in rows)
    return found[0] if found else Sum("total")


def hours_between(since: str | None, until: str | None, now: float) -> tuple[str, str]:
    """Return the first hour and the one after the last, as journals write times, of a span; UsageError for a wrong one.

    Use is kept by the hour: one that has only begun counts whole.
    """
    first = "" if since is None else parse_time(since, now)[:13]
    if until is None:
        return first, "~"
    last = parse_time(until, now)
    return first, last[:13] if last[13:] == _FULL_HOUR else last[:13] + "~"


def amount(limit: str, used: float, most: float) -> str:
    """Return how much of a limit is used, in the words of a person."""
    if limit == "cost_usd":
        return f"${used:.2f} of ${most:.2f}"
    return f"{used:,.0f} of {most:,.0f} {'seconds' if limit == 'wall_seconds' else limit}"


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


def _dearest(one: Sum) -> tuple[bool, float, int, str]:
    """Order sums: what is not known may be the dearest."""
    return one.cost_usd is not None, -one.at_least_usd, -one.tokens, one.name
