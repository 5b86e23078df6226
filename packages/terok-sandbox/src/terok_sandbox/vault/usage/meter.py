"""The proxy's `Meter`: asks the budget before a request goes out, writes down what its answer used."""

from __future__ import annotations

import logging
import time
from collections import deque
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from terok_sandbox.audit import timestamp
from terok_sandbox.errors import AuditError
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.refusal import Refusal
from terok_sandbox.vault.usage.budget import Totals, reached
from terok_sandbox.vault.usage.counts import Usage
from terok_sandbox.vault.usage.journal import Journal
from terok_sandbox.vault.usage.observe import AnswerReader, estimate, is_inference
from terok_sandbox.vault.usage.prices import load_prices

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from terok_sandbox.sidecar import UsageWiring
    from terok_sandbox.vault.routes import Route
    from terok_sandbox.vault.store import TokenRow
    from terok_sandbox.vault.usage.budget import Limits

_log = logging.getLogger(__name__)

NO_RETRY: Final = (("x-should-retry", "false"),)
LATER: Final = (("Retry-After", "2"),)
BLIND: Final = 8
"""How many requests may be under way together before the first of them has said what one uses."""
MAX_HELD: Final = 64 * 1024 * 1024
"""Bytes of documents kept until they are whole, all requests together; one for which there is no room is estimated."""
MAX_UNWRITTEN: Final = 1000
"""Exchanges kept for a journal that cannot be written."""


class UsageMeter:
    """Usage and budget of one container. Used from one event loop; it never waits but for a local file.

    A request in flight counts as a request. Under a limit of tokens or cost, those that are billed by tokens are each
    expected to use as much as the largest one so far: one more that would then find the limit reached is asked to come
    back later.
    """

    def __init__(self, wiring: UsageWiring, container: str) -> None:
        self._wiring = wiring
        self._container = container
        self._journal = Journal(wiring.journal, wiring.task)
        try:
            self._prices = load_prices(wiring.prices)
            self._broken = ""
        except VaultError as exc:
            self._prices = load_prices()
            self._broken = exc.message
        self.in_flight = 0
        self.inferring = 0
        """Those in flight that are billed by tokens."""
        self.arrived = 0
        """Bytes that the answers in flight have brought so far."""
        self.held = 0
        self._largest = Totals()
        self._unwritten: deque[dict[str, Any]] = deque(maxlen=MAX_UNWRITTEN)

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def admit(self, token: TokenRow, route: Route, method: str, path: str, *, ongoing: bool = False) -> Refusal | None:
        """Return why the request may not go out, in the vendor's error form, or None."""
        task, project = self._wiring.task_limits, self._wiring.project_limits
        if not task.any and not project.any:
            return None
        try:
            self._write()
            self._journal.refresh(project=project.any)
        except AuditError as exc:
            return Refusal(503, "usage_unavailable", exc.message, exc.hint)
        if self._broken and (task.cost_usd is not None or project.cost_usd is not None):
            return Refusal(503, "prices_unusable", self._broken)
        elapsed = time.time() - self._wiring.started
        for whose, limits, used in (
            ("task", task, self._journal.task_totals),
            ("project", project, self._journal.project_totals),
        ):
            requests, arrived = used.requests + self.in_flight - ongoing, used.bytes + self.arrived
            now = Totals(requests, used.tokens, arrived, used.cost)
            if words := reached(limits, now, elapsed):
                return budget_refusal(route, f"the budget of this {whose} is used up: {words}")
            if not ongoing and is_inference(method, path) and self._crowded(limits, now):
                text = f"what is under way may use up the budget of this {whose}; try again when it has ended"
                return budget_refusal(route, text, later=True)
        return None

    def _crowded(self, limits: Limits, now: Totals) -> bool:
        """Tell whether a limit may be reached by what is in flight."""
        if limits.tokens is None and limits.cost_usd is None:
            return False
        if not self._largest.tokens:
            return self.inferring >= BLIND
        tokens, cost = (
            now.tokens + self.inferring * self._largest.tokens,
            now.cost + self.inferring * self._largest.cost,
        )
        return reached(limits, Totals(tokens=tokens, cost=cost), 0) is not None

    def observe(self, token: TokenRow, route: Route, method: str, path: str) -> Observation:
        """Return the observer of a request that goes out."""
        return Observation(self, token.provider, method, path)

    def count(self, change: int, *, metered: bool) -> None:
        """Take note of a request that goes out (1) or has ended (-1)."""
        self.in_flight += change
        self.inferring += change if metered else 0

    def record(self, provider: str, usage: Usage, *, sent: int, received: int, status: int, estimated: bool) -> None:
        """Write one exchange down."""
        cost, known = self._prices.cost(usage) if usage.tokens else (0, True)
        self._largest.tokens = max(self._largest.tokens, usage.tokens)
        self._largest.cost = max(self._largest.cost, cost)
        self._unwritten.append(
            {
                "time": timestamp(),
                "container": self._container,
                "provider": provider,
                "model": usage.model,
                "input": usage.input,
                "output": usage.output,
                "cache_read": usage.cache_read,
                "cache_write": usage.cache_write,
                "sent": sent,
                "received": received,
                "cost_nano": cost,
                "status": status,
                **({"estimated": True} if estimated else {}),
                **({} if known else {"price_assumed": True}),
            }
        )
        try:
            self._write()
        except AuditError as exc:
            _log.error("usage is not written down yet: %s", exc.message)

    def _write(self) -> None:
        """Append what is not in the journal yet; AuditError if it cannot be written."""
        while self._unwritten:
            self._journal.append(self._unwritten[0])
            self._unwritten.popleft()


class Observation:
    """Follows one exchange."""

    def __init__(self, meter: UsageMeter, provider: str, method: str, path: str) -> None:
        self._meter = meter
        self._provider = provider
        self._billed = is_inference("POST", path)
        self._metered = self._billed and method == "POST"
        self._reader = AnswerReader() if method == "POST" else None
        self._status = 0
        self._model, self._unsaid, self._arrived = "", 0, 0
        meter.count(1, metered=self._metered)

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Take the answer's head."""
        self._status = status
        if status == 101:
            self._reader = AnswerReader()
        if self._reader is not None:
            self._reader.begin(status, headers)

    def feed(self, data: bytes) -> None:
        """Take a piece of the body; an answer in a WebSocket is written down as soon as it says its usage."""
        self._arrived += len(data)
        self._meter.arrived += len(data)
        if self._reader is None:
            return
        before = self._reader.held
        self._reader.feed(data)
        self._meter.held += self._reader.held - before
        if self._meter.held > MAX_HELD:
            self._meter.held -= self._reader.held
            self._reader.give_up()
        if self._status != 101:
            return
        self._unsaid += len(data)
        if (usage := self._reader.usage) is not None and self._reader.said:
            self._meter.record(self._provider, usage, sent=0, received=0, status=101, estimated=False)
            self._reader.usage, self._model, self._unsaid = None, usage.model, 0

    def end(self, sent: int, received: int, outcome: str) -> None:
        """Write the exchange down, with an estimate where a good answer did not say, or not to its end, its usage."""
        self._meter.count(-1, metered=self._metered)
        self._meter.arrived -= self._arrived
        usage, estimated = None, False
        if self._status == 101:
            if self._billed and self._unsaid:
                usage, estimated = estimate(Usage(self._model), 0 if self._model else sent, self._unsaid), True
        elif self._reader is not None:
            self._meter.held -= self._reader.held
            usage = self._reader.finish()
            if usage is None or not self._reader.said:
                if self._billed and 200 <= self._status < 300 and received:
                    usage, estimated = estimate(usage, sent, received), True
            elif outcome != "complete" and self._reader.spoken > usage.output:
                usage, estimated = replace(usage, output=self._reader.spoken), True
        self._meter.record(
            self._provider,
            usage or Usage(),
            sent=sent,
            received=received,
            status=self._status,
            estimated=estimated,
        )


def budget_refusal(route: Route, message: str, *, later: bool = False) -> Refusal:
    """Return a 429 in the error form of the route's vendor; its clients are told whether trying again is of use."""
    hint = "raise the limit in the `budget:` section of the project's or the sandbox's configuration"
    text = f"{message} ({hint})"
    kind = "rate_limit_exceeded" if later else "insufficient_quota"
    document: dict[str, object] = {"error": {"message": text, "type": kind, "param": None, "code": kind}}
    if "anthropic" in route.provider or "anthropic" in route.upstream.origin:
        document = {"type": "error", "error": {"type": "rate_limit_error", "message": text}}
    reason, headers = ("budget_busy", LATER) if later else ("budget_exceeded", NO_RETRY)
    return Refusal(429, reason, message, hint, document=document, headers=headers)
