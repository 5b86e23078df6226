"""The proxy's `Meter`: asks the budget before a request goes out, writes down what its answer used."""

from __future__ import annotations

import time
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

    from terok_sandbox.sidecar import UsageWiring
    from terok_sandbox.vault.routes import Route
    from terok_sandbox.vault.store import TokenRow

NO_RETRY: Final = (("x-should-retry", "false"),)


class UsageMeter:
    """Usage and budget of one container. Used from one event loop; it never waits but for a local file.

    A request in flight counts as a request, its tokens and cost only once it has ended: parallel requests can pass a
    limit by what they use themselves.
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

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    def admit(self, token: TokenRow, route: Route) -> Refusal | None:
        """Return why the request may not go out, in the vendor's error form, or None."""
        task, project = self._wiring.task_limits, self._wiring.project_limits
        if not task.any and not project.any:
            return None
        try:
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
            now = Totals(used.requests + self.in_flight, used.tokens, used.bytes, used.cost)
            if words := reached(limits, now, elapsed):
                return budget_refusal(route, f"the budget of this {whose} is used up: {words}")
        return None

    def observe(self, token: TokenRow, route: Route, method: str, path: str) -> Observation:
        """Return the observer of a request that goes out."""
        return Observation(self, token.provider, metered=is_inference(method, path))

    def record(self, provider: str, usage: Usage, *, sent: int, received: int, status: int, estimated: bool) -> None:
        """Write one exchange down."""
        cost, known = self._prices.cost(usage) if usage.tokens else (0, True)
        self._journal.append(
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


class Observation:
    """Follows one exchange."""

    def __init__(self, meter: UsageMeter, provider: str, *, metered: bool) -> None:
        self._meter = meter
        self._provider = provider
        self._reader = AnswerReader() if metered else None
        self._status = 0
        meter.in_flight += 1

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Take the answer's head."""
        self._status = status
        if self._reader is not None:
            self._reader.begin(status, headers)

    def feed(self, data: bytes) -> None:
        """Take a piece of the body."""
        if self._reader is not None:
            self._reader.feed(data)

    def end(self, sent: int, received: int, outcome: str) -> None:
        """Write the exchange down, with an estimate where a good answer did not say its usage."""
        self._meter.in_flight -= 1
        usage, estimated = None, False
        if self._reader is not None:
            usage = self._reader.finish()
            if not self._reader.said and 200 <= self._status < 300 and received:
                usage, estimated = estimate(usage, sent, received), True
        self._meter.record(
            self._provider,
            usage or Usage(),
            sent=sent,
            received=received,
            status=self._status,
            estimated=estimated,
        )


def budget_refusal(route: Route, message: str) -> Refusal:
    """Return a 429 in the error form of the route's vendor; its clients are told that trying again is of no use."""
    hint = "raise the limit in the `budget:` section of the project's or the sandbox's configuration"
    text = f"{message} ({hint})"
    document: dict[str, object]
    if "anthropic" in route.provider or "anthropic" in route.upstream.origin:
        document = {"type": "error", "error": {"type": "rate_limit_error", "message": text}}
    else:
        document = {
            "error": {"message": text, "type": "insufficient_quota", "param": None, "code": "insufficient_quota"}
        }
    return Refusal(429, "budget_exceeded", message, hint, document=document, headers=NO_RETRY)
