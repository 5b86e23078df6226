"""The proxy's meter: asks the budget before a request goes out, writes down what its answer used."""

from __future__ import annotations

import itertools
import logging
import time
from collections import deque
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from typing import Any, Final

from terok_util import FileLock, LockTimeout, TerokError, ensure_dir

from terok_sandbox.audit import timestamp
from terok_sandbox.errors import AuditError
from terok_sandbox.sidecar import UsageWiring
from terok_sandbox.values.facts import Fact, fact_to_json
from terok_sandbox.values.limits import Limits, Whose
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.refusal import VaultRefusal
from terok_sandbox.vault.routes import Route
from terok_sandbox.vault.usage.answers import Usage
from terok_sandbox.vault.usage.budget import TaskBudget, decision_of
from terok_sandbox.vault.usage.journal import UsageJournal, reached, shared_dir
from terok_sandbox.vault.usage.observation import NO_ORIGIN, Attempts, Entry, Observation, ObservedRequest, Origin
from terok_sandbox.vault.usage.over_budget import budget_refusal
from terok_sandbox.vault.usage.prices import load_prices
from terok_sandbox.vault.usage.request_estimate import RequestEstimate, is_inference, is_unpriced
from terok_sandbox.vault.usage.rows import TOKENS, Totals
from terok_sandbox.vault.usage.telling import Telling

_log = logging.getLogger(__name__)

MAX_HELD: Final = 64 * 1024 * 1024
"""Bytes of documents kept until they are whole, all requests together; of one for which there is no room only its
size is known."""
MAX_UNWRITTEN: Final = 1000
"""Exchanges kept for a journal that cannot be written."""
TURN_SECONDS: Final = 0.05
"""How long a broker waits for its turn: each takes well below a millisecond."""
_TURNS: Final = "turns.lock"
_UNPRICED: Final = VaultRefusal(
    403,
    "unpriced_request",
    "what this request costs cannot be told from it or its answer, and the cost of this task is limited",
    "leave it out, or limit tokens, requests or bytes instead of the cost in the `budget:` section",
)


class UsageMeter:
    """Usage and budget of one container. Used from one event loop; it never waits but for a local file.

    Under a limit of tokens or cost a request leaves only if the most it may cost has room beside what is under way
    already, or nothing is: a budget is exceeded by one request at most.
    """

    def __init__(
        self,
        wiring: UsageWiring,
        container: str,
        clock: Callable[[], float] = time.monotonic,
        tell: Callable[[Fact], None] = lambda _: None,
    ) -> None:
        self._wiring = wiring
        self._container = container
        self.clock = clock
        self._journal = UsageJournal(wiring.journal, wiring.task)
        self.budget = TaskBudget(wiring, tell)
        self.facts = Telling(tell, self._journal.run, self.budget)
        try:
            self._prices = load_prices(wiring.prices)
            self._broken = ""
        except VaultError as error:
            self._prices = load_prices()
            self._broken = error.message
        limits = [limits for _, limits in self.budget.limits]
        self._limited = self.budget.limited
        self._costs = any(one.cost_usd is not None for one in limits)
        self._counts_bytes = any(one.bytes is not None for one in limits)
        self._reach: Whose = "day" if wiring.day_limits.any else "project" if wiring.project_limits.any else "task"
        self.attempts = Attempts()
        self.in_flight = 0
        """Requests under way that no row counts yet."""
        self.moved = 0
        """Bytes that what is under way has brought so far, both ways."""
        self.held = 0
        self._numbers = itertools.count(1)
        self._unwritten: deque[dict[str, Any]] = deque(maxlen=MAX_UNWRITTEN)

    def close(self) -> None:
        """Close the journal."""
        self._journal.close()

    @property
    def crammed(self) -> bool:
        """Whether no more may be kept of documents that are not whole yet."""
        return self.held > MAX_HELD

    def admit(self, route: Route, method: str, path: str, *, ongoing: bool = False) -> VaultRefusal | None:
        """Return the refusal of a request, `ongoing` for the next message of a WebSocket, or None."""
        if not self._limited:
            return None
        if self._costs and self._broken:
            return VaultRefusal(503, "prices_unusable", self._broken)
        if self._costs and route.billed and not ongoing and is_unpriced(method, path):
            return _UNPRICED
        if (refusal := self._used_up(route, ongoing=ongoing)) is not None:
            return refusal
        return self._crowded(route, Totals()) if is_inference(method, path) else None

    async def hold(self, refusal: VaultRefusal, since: float) -> VaultRefusal | None:
        """Wait until a refused request may be decided about anew; else return the refusal to be answered.

        `since` is when it was refused first (`time.monotonic`).
        """
        return await self.budget.wait(refusal, since, self.tell_budget)

    def tell_budget(self) -> None:
        """Tell how the limits stand."""
        moving = Totals(requests=self.in_flight, bytes=self.moved)
        self.budget.tell([(whose, limits, used + moving) for whose, limits, used, _ in self._state()])

    def refresh(self) -> None:
        """Look at what is used and decided, and tell it."""
        self._look()
        self.budget.refresh()
        journal = self._journal
        self.facts.used(journal.used["task"], known=journal.cost_known, plan=journal.plan_cost)
        self.tell_budget()

    def decide(self, request: dict[str, Any], record: Callable[..., None] = lambda **_: None) -> dict[str, Any]:
        """Carry out a person's decision, if there is one in `request`; return how every limit stands.

        `record` gets a decision before it takes effect.
        """
        if "answer" in request:
            answer, whose, limit, most = decision_of(request)
            self.budget.decide(
                *(answer, whose, limit, most), lambda: record(answer=answer, whose=whose, limit=limit, most=most)
            )
        self.refresh()
        standings = [(whose, limits, used) for whose, limits, used, _ in self._state()]
        limits = [fact_to_json(fact) for fact in self.budget.facts(standings)]
        return {"on_limit": self._wiring.on_limit, "limits": limits}

    def refused(self, number: str, provider: str, method: str, path: str, refusal: VaultRefusal) -> None:
        """Tell of request `number` of the audit, which the vault does not let out."""
        self.facts.refused(
            provider, refusal.status, refusal.reason, number=number if is_inference(method, path) else ""
        )

    def overrun(self, route: Route) -> VaultRefusal | None:
        """Return the refusal that ends requests under way when a limit of bytes or time is passed, or None."""
        if not self._limited:
            return None
        self._look()
        self.budget.refresh()
        if self.budget.finishing:
            return None
        elapsed = time.time() - self._wiring.started
        for whose, limits, used, _ in self._state():
            over = None if limits.bytes is None else limits.bytes + 1
            words = reached(
                Limits(bytes=over, wall_seconds=limits.wall_seconds), Totals(bytes=used.bytes + self.moved), elapsed
            )
            if words:
                return budget_refusal(route, f"the budget of this {whose} is used up: {words}")
        return None

    def move(self, size: int, route: Route) -> VaultRefusal | None:
        """Count bytes of what is under way; return why no more may pass."""
        self.moved += size
        if not self._counts_bytes or self.moved <= self._room():
            return None
        return self.overrun(route)

    def release(
        self, route: Route, wanted: RequestEstimate, origin: Origin = NO_ORIGIN, attempt: int = 0
    ) -> ObservedRequest | VaultRefusal:
        """Write a request down with the most it may use; it must not leave if that is refused.

        Under a limit that several containers share their brokers do this one after the other, so that each sees what
        the others have released.
        """
        if self._costs and wanted.background:
            return _UNPRICED
        try:
            with self._turn():
                return self._release(route, wanted, origin, attempt)
        except LockTimeout:
            return budget_refusal(route, "other containers ask in the same moment; try again", later=True)
        except (TerokError, OSError) as error:
            _log.error("what others use cannot be looked at: %s", error)
            hint = error.hint if isinstance(error, TerokError) else None
            return VaultRefusal(503, "usage_unavailable", str(error), hint)

    def _turn(self) -> AbstractContextManager[object]:
        if self._reach == "task":
            return nullcontext()
        return FileLock(ensure_dir(shared_dir(self._wiring.journal)) / _TURNS, TURN_SECONDS)

    def _release(
        self, route: Route, wanted: RequestEstimate, origin: Origin, attempt: int
    ) -> ObservedRequest | VaultRefusal:
        usage, cost, known = wanted.dearest(self._prices, route.provider)
        if self._limited and (
            refusal := self._used_up(route, ongoing=True) or self._crowded(route, Totals(0, usage.tokens, 0, cost))
        ):
            return refusal
        opened = ObservedRequest(
            next(self._numbers), wanted, usage, self.clock(), attempt, self.attempts.before(attempt)
        )
        head = self._head(route.provider, usage.model, origin, opened.retry, priced=known)
        row = {"id": opened.number, "pending_tokens": usage.tokens, "pending_nano": cost}
        self._unwritten.append({**head, **row})
        try:
            self._write()
        except AuditError as error:
            if self._limited:
                self._unwritten.pop()
                return VaultRefusal(503, "usage_unavailable", error.message, error.hint)
            _log.error("usage is not written down yet: %s", error.message)
        self.facts.requests += 1
        return opened

    def observe(self, route: Route, method: str, path: str, origin: Origin = NO_ORIGIN) -> Observation:
        """Return the observer of a request that goes out."""
        return Observation(self, route, method, path, origin)

    def _state(self) -> list[tuple[Whose, Limits, Totals, Totals]]:
        """Return whose limits there are, their usage, and the most that requests under way may add."""
        used, pending = self._journal.used, self._journal.pending
        return [(whose, limits, used[whose], pending[whose]) for whose, limits in self.budget.limits]

    def _room(self) -> int:
        return min(limits.bytes - used.bytes for _, limits, used, _ in self._state() if limits.bytes is not None)

    def _used_up(self, route: Route, *, ongoing: bool = False) -> VaultRefusal | None:
        try:
            self._write()
            self._journal.refresh(self._reach)
        except AuditError as error:
            return VaultRefusal(503, "usage_unavailable", error.message, error.hint)
        self.budget.refresh()
        if self.budget.finishing:
            return None
        elapsed = time.time() - self._wiring.started
        for whose, limits, used, _ in self._state():
            now = used + Totals(requests=self.in_flight - ongoing, bytes=self.moved)
            if words := reached(limits, now, elapsed):
                if not self.budget.holds:  # else it is told when the request waits
                    self.tell_budget()
                return budget_refusal(route, f"the budget of this {whose} is used up: {words}")
        if self.budget.troubled:  # a limit was raised elsewhere, or its day is over
            self.tell_budget()
        return None

    def _crowded(self, route: Route, wanted: Totals) -> VaultRefusal | None:
        """Refuse for now what has no room beside the most that what is under way may use."""
        for whose, limits, used, pending in () if self.budget.finishing else self._state():
            costs = Limits(cost_usd=limits.cost_usd, tokens=limits.tokens)
            if (pending.cost or pending.tokens) and reached(costs, used + pending + wanted, 0):
                text = f"what is under way may use up the budget of this {whose}; try again when it has ended"
                return budget_refusal(route, text, later=True)
        return None

    def record(self, provider: str, usage: Usage, entry: Entry, **extra: Any) -> None:
        """Write down what was used."""
        cost, known = self._prices.cost(usage, provider) if usage.tokens else (0, True)
        opened, origin = entry.opened, entry.origin
        # A refusal does not name the model that was asked for.
        model = usage.model or ("" if opened is None or usage.tokens else opened.usage.model)
        row = self._head(provider, model, origin, 0 if opened is None else opened.retry, priced=known)
        row |= {kind: getattr(usage, kind) for kind in TOKENS}
        row |= {"cost_nano": cost, "status": entry.status, "duration_ms": round(entry.seconds * 1000)}
        row |= {} if opened is None else {"settles": opened.number}
        row |= {name: value for name in ("reasoning", "searches", "tier") if (value := getattr(usage, name))}
        row |= {"price": self._prices.version(usage.model)} if usage.tokens and known else {}
        row |= {"estimated": True} if entry.estimated else {}
        row |= {"outcome": entry.outcome} if entry.outcome not in ("", "complete") else {}
        self._unwritten.append(row | extra)
        moved = extra.get("sent", 0) + extra.get("received", 0)
        used = Totals(opened is None, usage.tokens, moved, cost)
        self.facts.use(used, known=known and "price_assumed" not in extra, plan=origin.billing == "plan")
        try:
            self._write()
        except AuditError as error:
            _log.error("usage is not written down yet: %s", error.message)
        else:
            self._warn()

    def _warn(self) -> None:
        """Tell when a limit is nearly reached."""
        if self._limited and self._look():
            self.tell_budget()

    def _look(self) -> bool:
        """Take in what is used by now; tell whether that was possible."""
        try:
            self._journal.refresh(self._reach)
        except AuditError as error:
            _log.error("the usage cannot be looked at: %s", error.message)
            return False
        return True

    def _head(self, provider: str, model: str, origin: Origin, retry: int, *, priced: bool) -> dict[str, Any]:
        """Return how each row begins."""
        row: dict[str, Any] = {"time": timestamp(), "container": self._container, "provider": provider, "model": model}
        row |= {"billing": origin.billing, "credential_set": origin.credential_set}
        row |= {"audit": origin.audit} if origin.audit else {}
        row |= {"retry": retry} if retry else {}
        return row if priced else {**row, "price_assumed": True}

    def _write(self) -> None:
        """Append what is not in the journal yet; AuditError if it cannot be written."""
        while self._unwritten:
            self._journal.append(self._unwritten[0])
            self._unwritten.popleft()
