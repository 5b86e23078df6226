"""How much of its limits a task or a project has used. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from terok_sandbox.values.limits import Limits


@dataclass(slots=True)
class Totals:
    """Usage; `cost` in billionths of a USD."""

    requests: int = 0
    tokens: int = 0
    bytes: int = 0
    cost: int = 0

    def __add__(self, other: Totals) -> Totals:
        """Return both together."""
        return Totals(
            self.requests + other.requests,
            self.tokens + other.tokens,
            self.bytes + other.bytes,
            self.cost + other.cost,
        )


def reached(limits: Limits, used: Totals, elapsed: float) -> str | None:
    """Return which limit leaves no room for another request, in words; None if all do."""
    if limits.requests is not None and used.requests >= limits.requests:
        return f"{used.requests} of {limits.requests} requests are used"
    if limits.tokens is not None and used.tokens >= limits.tokens:
        return f"{used.tokens} of {limits.tokens} tokens are used"
    from terok_sandbox.vault.usage.prices import NANO  # here, as every configuration has limits and few read prices

    if limits.cost_usd is not None and used.cost >= limits.cost_usd * NANO:
        return f"{used.cost / NANO:.2f} of {limits.cost_usd:.2f} USD are spent"
    if limits.bytes is not None and used.bytes >= limits.bytes:
        return f"{used.bytes} of {limits.bytes} bytes are transferred"
    if limits.wall_seconds is not None and elapsed >= limits.wall_seconds:
        return f"{elapsed:.0f} of {limits.wall_seconds:.0f} seconds have passed"
    return None
