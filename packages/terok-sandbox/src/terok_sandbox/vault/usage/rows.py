"""Rows of a usage journal: what they say, and few rows that say the same as many. Pure.

A request that is billed by tokens has two rows: one that opens it, with the most it may use (`pending_tokens`,
`pending_nano` under a number `id`), and one that settles that number (`settles`) with what it did use.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

from terok_util import json_object

NANO: Final = 1_000_000_000
MAX_GROUPS: Final = 500
"""Rows by model that a file is put together to; a container may invent names of models."""
TOKENS: Final = ("input", "output", "cache_read", "cache_write", "cache_write_1h")
COUNTS: Final = (*TOKENS, "reasoning", "searches", "sent", "received", "cost_nano", "duration_ms")
HAPPENED: Final = ("retries", "aborted", "failed", "estimated")
"""Requests to which something has happened: counted where rows are put together, told by a mark of a single row."""
GROUPED: Final = ("task", "provider", "model", "billing", "credential_set", "price", "price_assumed")
_HOUR: Final = len("2026-01-31T12")
_DAY: Final = len("2026-01-31")

Number = tuple[str, int]
"""The run of a broker, and the number of a request in it."""
Row = Mapping[str, Any]


@dataclass(slots=True)
class Totals:
    """Sums of usage; `cost` in billionths of a USD."""

    requests: int = 0
    tokens: int = 0
    bytes: int = 0
    cost: int = 0

    def __add__(self, other: Totals) -> Totals:
        """Return both together."""
        requests, tokens = self.requests + other.requests, self.tokens + other.tokens
        return Totals(requests, tokens, self.bytes + other.bytes, self.cost + other.cost)


def parse_row(line: bytes) -> dict[str, Any] | None:
    """Return a row of a journal, None for a torn or foreign line."""
    row = json_object(line)
    return row if row is not None and isinstance(row.get("task"), str) else None


def number_of(row: Row, key: str) -> Number | None:
    """Return which request a row opens (`id`) or settles, None if it does not."""
    return (str(row.get("run", "")), row[key]) if type(row.get(key)) is int else None


def totals_of(row: Row) -> Totals:
    """Return the usage that one row adds. A request counts with the row that opens it."""
    requests = count(row, "requests") if "requests" in row else int("settles" not in row)
    tokens = sum(count(row, key) for key in TOKENS)
    return Totals(requests, tokens, count(row, "sent") + count(row, "received"), count(row, "cost_nano"))


def pending_of(row: Row) -> Totals:
    """Return the most that the request of an opening row may use."""
    return Totals(tokens=count(row, "pending_tokens"), cost=count(row, "pending_nano"))


def billing_of(row: Row) -> str:
    """Return how the use in a row is paid for: `metered` or `plan`."""
    return "plan" if row.get("billing") == "plan" else "metered"


def day_of(row: Row) -> str:
    """Return the day (UTC) that a row counts on."""
    return str(row.get("time", ""))[:_DAY]


def seconds_of(row: Row) -> float:
    """Return when a row was written, in seconds since the epoch; 0 if it does not say."""
    try:
        return datetime.fromisoformat(str(row.get("time")).replace("Z", "+00:00")).timestamp()
    except (ValueError, OverflowError):
        return 0.0


def count(row: Row, name: str) -> int:
    """Return a number of a row; 0 for anything that is none."""
    value = row.get(name, 0)
    return value if type(value) is int and value >= 0 else 0


def settled(rows: Iterable[Row], still_open: dict[Number, Row]) -> Iterator[dict[str, Any]]:
    """Yield one row for each request that is over; those of which the end is not among `rows` stay in `still_open`."""
    for row in rows:
        if (number := number_of(row, "id")) is not None:
            still_open[number] = row
            continue
        if (number := number_of(row, "settles")) is not None:
            opened = still_open.pop(number, None)
            row = {**row, "requests": 0 if opened is None else totals_of(opened).requests}  # noqa: PLW2901
        yield {**row, **_happened(row)}


def at_most(row: Row) -> dict[str, Any]:
    """Return an opening row as if its request had used the most it may."""
    most = pending_of(row)
    return {**row, "output": most.tokens, "cost_nano": most.cost, "estimated": 1}


def put_together(rows: Iterable[Row]) -> list[Row]:
    """Return few rows that say the same as many: sums by `GROUPED` and hour, and what is still open."""
    groups: dict[tuple[Any, ...], dict[str, Any]] = {}
    still_open: dict[Number, Row] = {}
    for row in settled(rows, still_open):
        values: dict[str, Any] = {name: str(row.get(name, "")) for name in GROUPED}
        values |= {"billing": billing_of(row), "price_assumed": bool(row.get("price_assumed"))}
        key = (*values.values(), str(row.get("time", ""))[:_HOUR])
        if key not in groups and len(groups) >= MAX_GROUPS:
            values |= {"model": "", "price": ""}
            key = (*values.values(), day_of(row))
        group = groups.setdefault(key, {**{name: value for name, value in values.items() if value}, "requests": 0})
        group["time"] = row.get("time", "")
        group["requests"] += totals_of(row).requests
        for name in (*COUNTS, *HAPPENED):
            if (number := count(row, name)) or name in group:
                group[name] = group.get(name, 0) + number
    return [*groups.values(), *still_open.values()]


def _happened(row: Row) -> dict[str, int]:
    """Return for how many requests of a row what is true, as far as it is true for any."""
    if "requests" in row and "settles" not in row:  # put together already
        return {name: 1 if row[name] is True else count(row, name) for name in HAPPENED if row.get(name)}
    status, outcome = count(row, "status"), str(row.get("outcome", ""))
    found = {
        "retries": bool(row.get("retry")),
        "aborted": bool(outcome),
        "failed": status >= 400 or (status == 0 and bool(outcome)),
        "estimated": bool(row.get("estimated")),
    }
    return {name: 1 for name, true in found.items() if true}
