"""Facts that the broker tells the container's feed: model calls, how providers answer, what was used."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Final

from terok_sandbox.values.facts import Fact, ModelCall, Provider, ProviderState, UsageFact
from terok_sandbox.vault.usage.budget import TaskBudget
from terok_sandbox.vault.usage.limit_reset import MAX_BODY, reset_time
from terok_sandbox.vault.usage.rows import NANO, Totals

LIMITED: Final = 429
_AUTH: Final = frozenset({"credential_missing", "credential_unusable", "sign_in_needed", "no_route"})
"""Refusals of the vault that a sign-in ends."""
_OURS: Final = frozenset(
    {"credential_missing", "credential_unusable", "sign_in_needed", "no_route", "refresh_failed", "vault_unavailable",
     "routes_unusable", "usage_unavailable", "audit_unavailable", "prices_unusable"}
)  # fmt: skip
"""Refusals that say something about the provider's use, and not about one request."""
_NOT_REACHED: Final = "upstream_"
"""Outcomes that begin so say that there was no answer because of the provider."""


class LimitAnswer:
    """The answer of a provider that takes no more calls for now: read for when it does again."""

    def __init__(self, headers: Mapping[str, str]) -> None:
        self._headers = headers
        self._body = bytearray()

    def feed(self, data: bytes) -> None:
        """Take a piece of the body."""
        self._body += data[: MAX_BODY - len(self._body)]

    def reset_at(self, now: float) -> float | None:
        """Return when it does (seconds since the epoch), None if it does not say."""
        return reset_time(self._headers, bytes(self._body), now)


class Telling:
    """Makes facts of what the meter sees; `run` and a number are a call's name, in the usage journal too."""

    def __init__(
        self, tell: Callable[[Fact], None], run: str, budget: TaskBudget, clock: Callable[[], float] = time.time
    ) -> None:
        self._tell = tell
        self._run = run
        self._budget = budget
        self._clock = clock
        self.requests = self._tokens = self._bytes = self._cost = self._plan = 0
        self._known = True
        self._began: dict[int, tuple[str, float]] = {}
        self._unheard = set[int]()
        """Calls whose client has left."""
        self._providers: dict[str, tuple[ProviderState, int, str, float | None]] = {}

    def begun(self, number: int, provider: str) -> None:
        """Tell that a model call leaves."""
        now = self._clock()
        self._began[number] = (provider, now)
        self._budget.begin()
        self._tell(ModelCall(at=now, id=f"{self._run}-{number}", state="begun", provider=provider, began=now))

    def left(self, number: int) -> None:
        """Tell that nobody waits for a model call any more; how it ends is of interest to the meter alone."""
        provider, began = self._began[number]
        self._unheard.add(number)
        self._tell_end(number, provider, began, 0, "client_left", None)

    def ended(self, number: int, status: int, outcome: str, limit: LimitAnswer | None = None) -> None:
        """Tell that a model call is over, however it ended."""
        provider, began = self._began.pop(number, ("", 0.0))
        self._budget.end()
        if number in self._unheard:
            self._unheard.remove(number)
        else:
            self._tell_end(number, provider, began, status, outcome, limit)

    def _tell_end(
        self, number: int, provider: str, began: float, status: int, outcome: str, limit: LimitAnswer | None
    ) -> None:
        now = self._clock()
        reset_at = None if limit is None else limit.reset_at(now)
        self._tell(
            ModelCall(
                at=now,
                id=f"{self._run}-{number}",
                state="ended",
                provider=provider,
                began=began,
                status=status,
                outcome=outcome,
                reset_at=reset_at,
            )
        )

    def answered(self, provider: str, status: int, outcome: str, limit: LimitAnswer | None = None) -> None:
        """Tell how a provider has answered a request of any kind, if it did."""
        state: ProviderState
        if status == 0:
            if not outcome.startswith(_NOT_REACHED):
                return
            state = "fails"
        elif status == 401:
            state = "auth"
        elif status == LIMITED:
            state = "limit"
        elif status >= 500:
            state = "fails"
        elif status >= 400:
            return  # the request was wrong, or not permitted: another one may be right
        else:
            state, outcome = "works", ""
        now = self._clock()
        self._stand(provider, state, status, outcome, None if limit is None else limit.reset_at(now), now)

    def refused(self, provider: str, status: int, reason: str, *, number: str = "") -> None:
        """Tell what the vault has not let out; `number` is that of a model call in the credential audit."""
        now = self._clock()
        if number:
            self._tell(
                ModelCall(
                    at=now, id=number, state="refused", provider=provider, began=now, status=status, outcome=reason
                )
            )
        if provider and reason in _OURS:
            self._stand(provider, "auth" if reason in _AUTH else "fails", status, reason, None, now)

    def used(self, totals: Totals, *, known: bool, plan: int) -> None:
        """Tell what the task has used so far, as the journal has it."""
        self.requests, self._tokens, self._bytes = totals.requests, totals.tokens, totals.bytes
        self._cost, self._plan, self._known = totals.cost, plan, known
        self._tell_usage(self._clock())

    def use(self, more: Totals, *, known: bool, plan: bool) -> None:
        """Count what one row adds; it is told with the model call that it is of."""
        self.requests += more.requests
        self._tokens += more.tokens
        self._bytes += more.bytes
        self._cost += more.cost
        self._plan += more.cost if plan else 0
        self._known = self._known and (known or plan)
        if more.tokens:
            self._tell_usage(self._clock())

    def _tell_usage(self, now: float) -> None:
        self._tell(
            UsageFact(
                at=now,
                requests=self.requests,
                tokens=self._tokens,
                bytes=self._bytes,
                cost_usd=self._cost / NANO,
                cost_known=self._known,
                plan_usd=self._plan / NANO,
            )
        )

    def _stand(
        self, provider: str, state: ProviderState, status: int, outcome: str, reset_at: float | None, now: float
    ) -> None:
        stands = (state, status if state != "works" else 200, outcome, reset_at)
        if self._providers.get(provider) == stands:
            return
        self._providers[provider] = stands
        self._tell(Provider(at=now, provider=provider, state=state, status=status, outcome=outcome, reset_at=reset_at))
