"""How much one host may be used by one container: connections by rate, bytes each way."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

_RATES: Final = 4096
_BUDGETS: Final = 65_536


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one host, for as long as the gateway runs. Bytes are those of tunnels and plain requests."""

    burst: float = 200.0
    per_second: float = 20.0
    up: int = 8 * 1024**3
    down: int = 256 * 1024**3


@dataclass(slots=True)
class _Rate:
    tokens: float
    at: float


@dataclass(slots=True)
class _Budget:
    up: int = 0
    down: int = 0


class Meter:
    """Counts use by host; `now` is a monotonic clock in seconds.

    Rates of the hosts asked for longest ago are forgotten. Bytes never are: asking for other hosts must not refill a
    budget, so a container that has used very many hosts reaches no further one.
    """

    def __init__(self, limits: Limits | None = None, *, hosts: int = _BUDGETS) -> None:
        self._limits = limits or Limits()
        self._most = hosts
        self._rates: OrderedDict[str, _Rate] = OrderedDict()
        self._budgets: dict[str, _Budget] = {}

    def connection(self, host: str, now: float) -> str | None:
        """Count a connection; return why it must not be made, or `None`."""
        rate = self._rates.setdefault(host, _Rate(self._limits.burst, now))
        self._rates.move_to_end(host)
        if len(self._rates) > _RATES:
            self._rates.popitem(last=False)
        rate.tokens = min(self._limits.burst, rate.tokens + max(0.0, now - rate.at) * self._limits.per_second)
        rate.at = now
        if rate.tokens < 1:
            return f"too many connections to {host}"
        rate.tokens -= 1
        budget = self._budgets.get(host)
        return f"the byte budget of {host} is used up" if budget is not None and self._spent(budget) else None

    def sent(self, host: str, count: int, *, up: bool) -> bool:
        """Count bytes; return whether the budget still holds."""
        budget = self._budgets.get(host)
        if budget is None:
            if len(self._budgets) >= self._most:
                return False
            budget = self._budgets[host] = _Budget()
        if up:
            budget.up += count
        else:
            budget.down += count
        return not self._spent(budget)

    def _spent(self, budget: _Budget) -> bool:
        return budget.up > self._limits.up or budget.down > self._limits.down
