"""Finding the audit rows that belong to what the agent tried."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

Row = Mapping[str, Any]

_REFUSALS = ("blocked", "refused")


def connection_row(rows: Iterable[Row], address: str, port: int) -> Row | None:
    """Return the first refusal of a connection to `address` and `port`."""
    return next((row for row in _refusals(rows) if row.get("dest") == address and row.get("port") == port), None)


def name_row(rows: Iterable[Row], name: str) -> Row | None:
    """Return the first refusal of the domain name `name`."""
    return next((row for row in _refusals(rows) if _plain(row.get("name")) == name), None)


def answered(rows: Iterable[Row]) -> tuple[int, int]:
    """Return how many requests the vault passed on, by its audit, and how many of them the upstream accepted."""
    statuses = [row.get("status") for row in rows if row.get("action") == "response"]
    return len(statuses), sum(isinstance(status, int) and 200 <= status < 300 for status in statuses)


def _refusals(rows: Iterable[Row]) -> Iterable[Row]:
    return (row for row in rows if row.get("action") in _REFUSALS)


def _plain(name: object) -> str:
    return name.rstrip(".").lower() if isinstance(name, str) else ""
