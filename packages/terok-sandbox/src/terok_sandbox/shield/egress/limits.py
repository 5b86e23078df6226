"""How much one host may be used by one container: connections by rate, bytes each way."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

_HOSTS: Final = 4096


@dataclass(frozen=True, slots=True)
class Limits:
    """Of one host, for as long as the gateway runs. Bytes are those of tunnels and bodies."""

    burst: float = 200.0
    per_second: float = 20.0
    up: int = 8 * 1024**3
    down: int = 256 * 1024**3


@dataclass(slots=True)
class _Use:
    tokens: float
    at: float
    up: int = 0
    down: int = 0


class Meter:
    """Counts use by host; *now* is a monotonic clock in seconds."""

    def __init__(self, limits: Limits | None = None) -> None:
        self._limits = limits or Limits()
        self._hosts: OrderedDict[str, _Use] = OrderedDict()

    def connection(self, host: str, now: float) -> str | None:
        """Count a connection; return why it must not be made, or ``None``."""
        use = self._use(host, now)
        use.tokens = min(self._limits.burst, use.tokens + max(0.0, now - use.at) * self._limits.per_second)
        use.at = now
        if use.tokens < 1:
            return f"too many connections to {host}"
        use.tokens -= 1
        return f"the byte budget of {host} is used up" if self._spent(use) else None

    def sent(self, host: str, count: int, *, up: bool) -> bool:
        """Count bytes; return whether the budget still holds."""
        use = self._use(host, 0.0)
        if up:
            use.up += count
        else:
            use.down += count
        return not self._spent(use)

    def _spent(self, use: _Use) -> bool:
        return use.up > self._limits.up or use.down > self._limits.down

    def _use(self, host: str, now: float) -> _Use:
        use = self._hosts.get(host)
        if use is None:
            use = self._hosts[host] = _Use(self._limits.burst, now)
            if len(self._hosts) > _HOSTS:
                self._hosts.popitem(last=False)
        return use
