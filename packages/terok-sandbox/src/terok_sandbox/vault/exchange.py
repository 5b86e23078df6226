"""One request's way through the proxy, as the audit tells it: a row before release, a row when it is over."""

from __future__ import annotations

import asyncio
import itertools
import logging
import secrets
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from terok_sandbox.errors import AuditError
from terok_sandbox.vault.ledger import Ledger
from terok_sandbox.vault.refusal import Refusal
from terok_sandbox.vault.traffic import Traffic

if TYPE_CHECKING:
    from pathlib import Path

_log = logging.getLogger(__name__)

UNDECIDED = "failed"
"""What becomes of an exchange of which nothing better is known."""


@dataclass(slots=True)
class Exchange:
    """What is known about a request so far."""

    number: str
    method: str = ""
    path: str = ""
    token_id: str = ""
    provider: str = ""
    status: int = 0
    outcome: str = UNDECIDED
    started: float = field(default_factory=time.monotonic)
    traffic: Traffic = field(default_factory=Traffic)
    stopped: Refusal | None = None
    """Why it was ended while it was under way."""
    over: bool = False
    task: asyncio.Task[Any] | None = None

    def stop(self, refusal: Refusal) -> None:
        """End it from outside: its task is cancelled with the next turn of the loop, unless it is over by then."""
        if self.stopped is None and not self.over and self.task is not None:
            self.stopped, self.outcome = refusal, refusal.reason
            self.task.get_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        if not self.over and self.task is not None:
            self.task.cancel()


class Record:
    """Writes the rows of one container's exchanges."""

    def __init__(self, path: Path, container: str) -> None:
        self._ledger = Ledger(path, container)
        self._run = secrets.token_hex(3)
        self._numbers = itertools.count(1)

    def begin(self) -> Exchange:
        """Return a new exchange with a number of its own."""
        return Exchange(f"{self._run}-{next(self._numbers)}")

    def release(self, exchange: Exchange) -> Refusal | None:
        """Write the row that must be there before anything is dialed; a refusal if it cannot be."""
        try:
            self._ledger.check()
            self._ledger.write("request", **_asked(exchange), verdict="released")
        except AuditError as error:
            _log.error("nothing is released without its audit row: %s", error.message)
            return Refusal(503, "audit_unavailable", "the audit cannot be written", error.hint)
        return None

    def refused(self, exchange: Exchange, refusal: Refusal) -> None:
        """Write the row of a request that is not forwarded."""
        asked = _asked(exchange)
        self._note("request", **asked, verdict="refused", status=refusal.status, reason=refusal.reason)

    def over(self, exchange: Exchange) -> None:
        """Write the row of a released request that has come to its end, whatever end."""
        exchange.over = True
        exchange.traffic.end(exchange.outcome)
        self._note(
            "response",
            request=exchange.number,
            token_id=exchange.token_id,
            provider=exchange.provider,
            status=exchange.status,
            bytes=exchange.traffic.received,
            sent_bytes=exchange.traffic.sent,
            duration_ms=round((time.monotonic() - exchange.started) * 1000, 3),
            outcome=exchange.outcome,
        )

    def close(self) -> None:
        """Close the audit."""
        self._ledger.close()

    def _note(self, action: str, **fields: object) -> None:
        try:
            self._ledger.write(action, **fields)
        except AuditError as error:
            _log.error("%s", error.message)


def _asked(exchange: Exchange) -> dict[str, str]:
    return {
        "request": exchange.number,
        "token_id": exchange.token_id,
        "provider": exchange.provider,
        "method": exchange.method,
        "path": exchange.path,
    }
