"""Following one exchange: what it may cost while it is under way, what it did cost when it has ended."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, Final, Protocol

from terok_sandbox.vault.refusal import VaultRefusal
from terok_sandbox.vault.routes import Route
from terok_sandbox.vault.store import Billing
from terok_sandbox.vault.usage.answers import AnswerReader, Usage
from terok_sandbox.vault.usage.prices import LARGEST_CONTEXT
from terok_sandbox.vault.usage.request_estimate import (
    MAX_BODY,
    RequestEstimate,
    estimate_request,
    is_inference,
    is_unpriced,
)
from terok_sandbox.vault.usage.telling import LIMITED, LimitAnswer, Telling

TOKENS_PER_SECOND: Final = 500
"""Upper bound of a model's hidden reasoning while its answer is under way."""
MAX_ATTEMPTS: Final = 256
"""Failed requests of which a retry is recognized."""
NEVER_LEFT: Final = {
    *("upstream_name", "upstream_refused", "upstream_unreachable"),
    *("upstream_connect_timeout", "upstream_tls", "upstream_proxy"),
}
"""Outcomes with which no provider has got the request."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Knowledge of the vault about a request beside its path: what pays for it, and where else it is written down.

    `audit` is its number in the credential audit.
    """

    billing: Billing = "metered"
    credential_set: str = "default"
    audit: str = ""


NO_ORIGIN: Final = Origin()


@dataclass(frozen=True, slots=True)
class ObservedRequest:
    """A request that was written down before it left: its number there, what it asked for, and when that was.

    `attempt` recognizes its body when it is sent once more, `retry` says how often it had been sent in vain before.
    """

    number: int
    asked: RequestEstimate
    usage: Usage
    at: float
    attempt: int = 0
    retry: int = 0


@dataclass(frozen=True, slots=True)
class Entry:
    """How one request has ended: `opened` if it was written down before it left, `seconds` how long it took."""

    origin: Origin
    opened: ObservedRequest | None
    status: int
    outcome: str
    seconds: float
    estimated: bool


class Attempts:
    """Requests that have failed, by their body: sent again, they are retries."""

    def __init__(self) -> None:
        self._failed: dict[int, int] = {}

    def before(self, attempt: int) -> int:
        """Return how often a request has been sent in vain."""
        return self._failed.get(attempt, 0)

    def ended(self, attempt: int, *, well: bool) -> None:
        """Take note of how a request has ended."""
        known = self._failed.pop(attempt, 0)
        if not well:
            self._failed[attempt] = known + 1
            if len(self._failed) > MAX_ATTEMPTS:
                del self._failed[next(iter(self._failed))]


class _Account(Protocol):
    """Where an observation writes down what it sees: the meter of its container, `UsageMeter`."""

    clock: Callable[[], float]
    in_flight: int
    moved: int
    held: int
    facts: Telling
    attempts: Attempts

    @property
    def crammed(self) -> bool: ...
    def move(self, size: int, route: Route) -> VaultRefusal | None: ...
    def release(
        self, route: Route, wanted: RequestEstimate, origin: Origin, attempt: int
    ) -> ObservedRequest | VaultRefusal: ...
    def record(self, provider: str, usage: Usage, entry: Entry, **extra: Any) -> None: ...


class Observation:
    """Follows one exchange. Of a WebSocket each message that asks for an answer is a request of its own."""

    def __init__(self, meter: _Account, route: Route, method: str, path: str, origin: Origin) -> None:
        self._meter = meter
        self.route = route
        self._method, self._path, self._origin = method, path, origin
        self._began = meter.clock()
        self._attempt = 0
        self._billed = is_inference("POST", path)
        self._metered = self._billed and method == "POST"
        self._body: bytearray | None = bytearray()
        self._size = 0
        self._reader = AnswerReader() if method == "POST" else None
        self._status = 0
        self._model, self._unsaid, self._moved = "", 0, 0
        self._opened: list[ObservedRequest] = []
        self._wanted: RequestEstimate | None = None
        self._done = self._counted = False
        self._limit: LimitAnswer | None = None
        self._outcome = ""
        meter.in_flight += 1

    def ask(self, data: bytes, *, last: bool) -> VaultRefusal | None:
        """Take a piece of the request's body, or a message; return why its last piece must not leave."""
        if not self._billed or self._done:
            return None
        self._size += len(data)
        if self._body is not None:
            self._hold(len(data))
            self._body += data
            if len(self._body) > MAX_BODY or self._meter.crammed:
                self._hold(-len(self._body))
                self._body = None
        return self._release() if last else None

    def leave(self) -> bool:
        """Tell that nobody waits for the answer; return whether one is on its way that will say what it used."""
        if not self._opened or self._status == 101 or self._opened[0].asked.background:
            return False
        self._meter.facts.left(self._opened[0].number)
        return True

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Take the answer's head."""
        self._status = status
        if status == LIMITED:
            self._limit = LimitAnswer(headers)
        if status == 101:
            self._reader = AnswerReader()
        if self._reader is not None:
            self._reader.begin(status, headers)

    def move(self, size: int) -> VaultRefusal | None:
        """Count bytes that passed, either way; return why no more may."""
        self._moved += size
        return self._meter.move(size, self.route)

    def feed(self, data: bytes) -> None:
        """Take a piece of the body; an answer in a WebSocket is written down as soon as it says its usage."""
        if self._limit is not None:
            self._limit.feed(data)
        if self._reader is None:
            return
        before = self._reader.held
        self._reader.feed(data)
        self._hold(self._reader.held - before)
        if self._meter.crammed:
            self._hold(-self._reader.held)
            self._reader.give_up()
        if self._status != 101:
            return
        self._unsaid += len(data)
        if (usage := self._reader.usage) is not None and self._reader.said:
            self._settle(usage, estimated=False)
            self._reader.usage, self._model, self._unsaid = None, usage.model, 0
            self._reader.spoken = 0

    def end(self, sent: int, received: int, outcome: str) -> None:
        """Write the exchange down, with an assumption where it did not say, or not to its end, what it used."""
        self._meter.in_flight -= not self._counted
        self._meter.moved -= self._moved
        self._hold(-len(self._body or b""))
        self._outcome = outcome
        self._meter.facts.answered(self.route.provider, self._status, outcome, self._limit)
        if self._status == 101:
            while self._opened:  # the answers that are still on their way
                self._settle(self._assumed(None, "client_left"), estimated=True)
            if self._billed and self._unsaid:
                self._settle(self._assumed(Usage(self._model), outcome), estimated=True)
            self._record(Usage(), sent, received)
            return
        usage, estimated = Usage(), False
        if self._reader is not None:
            self._hold(-self._reader.held)
            said = self._reader.finish()
            usage = said or Usage()
            if self._assume(said, outcome):
                usage, estimated = self._assumed(said, outcome), True
        self._record(usage, sent, received, estimated=estimated)

    def _release(self) -> VaultRefusal | None:
        """Write down, before it leaves, what has been asked for."""
        body = None if self._body is None else bytes(self._body)
        self._hold(-len(self._body or b""))
        self._body = bytearray()
        if self._method != "POST" and not _wants_answer(body):
            return None
        # Whoever was held back may ask again, when its body is taken already.
        if self._wanted is None:
            self._wanted = estimate_request(self._path, body, self._size, LARGEST_CONTEXT)
            self._attempt = hash((self.route.provider, self._path, body, self._size))
        opened = self._meter.release(self.route, self._wanted, self._origin, self._attempt)
        if not isinstance(opened, ObservedRequest):
            return opened
        self._wanted = None
        self._opened.append(opened)
        self._meter.facts.begun(opened.number, self.route.provider)
        if self._method == "POST":
            self._done = self._counted = True  # the row counts it from here on
            self._meter.in_flight -= 1
        return None

    def _assume(self, said: Usage | None, outcome: str) -> bool:
        """Tell whether the exchange cost something that its answer did not say, or not to its end."""
        if not self._metered or not self._opened or outcome in NEVER_LEFT:
            return False
        if self._status and not 200 <= self._status < 300:
            return False
        return said is None or not said.tokens or not said.final

    def _assumed(self, said: Usage | None, outcome: str) -> Usage:
        """Return the assumed usage of an answer that broke off, or of which nothing was seen."""
        opened = self._opened[0] if self._opened else None
        spoken = 0 if self._reader is None else self._reader.spoken
        most = opened.usage if opened is not None else Usage(self._model, output=spoken)
        usage = most
        if said is not None:
            counted = said if said.tokens - said.output else most
            usage = replace(counted, model=said.model or most.model, output=most.output, final=False)
        nothing_seen = self._status == 0 or (self._status == 101 and not self._unsaid)
        if nothing_seen or (opened is not None and opened.asked.later):
            return usage
        hidden = 0 if opened is None else round((self._meter.clock() - opened.at) * TOKENS_PER_SECOND)
        told = max(spoken, said.output if said is not None else 0)
        return replace(usage, output=max(told, min(usage.output, told + hidden)))

    def _settle(self, usage: Usage, *, estimated: bool) -> None:
        """Write down one answer of a WebSocket."""
        opened = self._opened.pop(0) if self._opened else None
        self._write(usage, 101, opened, estimated=estimated)
        self._unsaid = 0
        if opened is not None:
            self._meter.facts.ended(opened.number, 101, self._outcome or "complete")

    def _record(self, usage: Usage, sent: int, received: int, *, estimated: bool = False) -> None:
        opened = self._opened[0] if self._opened else None
        unpriced = {"price_assumed": True} if self.route.billed and is_unpriced(self._method, self._path) else {}
        self._write(usage, self._status, opened, estimated=estimated, sent=sent, received=received, **unpriced)
        if opened is not None:
            self._meter.facts.ended(opened.number, self._status, self._outcome, self._limit)

    def _write(
        self, usage: Usage, status: int, opened: ObservedRequest | None, *, estimated: bool, **extra: Any
    ) -> None:
        """Write down one request that is over."""
        began = self._began if opened is None else opened.at
        entry = Entry(self._origin, opened, status, self._outcome, self._meter.clock() - began, estimated=estimated)
        if opened is not None and status != 101:
            well = self._outcome in ("", "complete") and 200 <= status < 300
            self._meter.attempts.ended(opened.attempt, well=well)
        self._meter.record(self.route.provider, usage, entry, **extra)

    def _hold(self, change: int) -> None:
        self._meter.held += change


def _wants_answer(message: bytes | None) -> bool:
    """Tell whether a message in a WebSocket asks for an answer; one that cannot be read may."""
    if message is None:
        return True
    return b"response.create" in message or b"\\u00" in message
