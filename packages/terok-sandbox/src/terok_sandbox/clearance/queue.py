"""The queue of one container's questions: a state machine without I/O, bounded in memory, closed by default.

A question waits until it is answered or expires; both end it, and only an answer that names the request and its target
counts, once. For a few seconds after an answer its target is not asked for again, until refusals on their way are over.
"""

from __future__ import annotations

import secrets
from collections import OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Literal

from terok_util.text import safe_text
from terok_util.token_bucket import TokenBucket

from terok_sandbox.clearance.errors import TargetMismatch, UnknownRequest
from terok_sandbox.clearance.lookalike import registrable_domain
from terok_sandbox.clearance.model import MAX_TEXT, ClearanceRequest, Target, Verdict

Kind = Literal["new", "repeated", "answered", "suppressed"]
Key = tuple[str, int | None, str]


@dataclass(frozen=True, slots=True)
class QueueLimits:
    """Limits on the questions of one container: waiting at once, at a burst, then by the minute; times in seconds."""

    waiting: int = 32
    burst: float = 20.0
    per_minute: float = 6.0
    lifetime: float = 900.0
    remembered: int = 1024
    settle: float = 3.0


@dataclass(frozen=True, slots=True)
class Sighting:
    """A refusal as the queue has taken it; `verdict` is there when it was answered before."""

    kind: Kind
    request: ClearanceRequest | None = None
    verdict: Verdict | None = None


def _new_id() -> str:
    return secrets.token_hex(6)


class ClearanceQueue:
    """Requests by id and by target; every time is given by the caller, in seconds since the epoch."""

    def __init__(
        self,
        container: str,
        *,
        limits: QueueLimits | None = None,
        new_id: Callable[[], str] = _new_id,
        now: float = 0.0,
    ) -> None:
        self._container = container
        self._limits = limits or QueueLimits()
        self._new_id = new_id
        self._waiting: OrderedDict[str, ClearanceRequest] = OrderedDict()
        self._by_key: dict[Key, str] = {}
        self._answered: OrderedDict[Key, tuple[Verdict, float]] = OrderedDict()
        self._domains: OrderedDict[str, None] = OrderedDict()
        self._bucket = TokenBucket(burst=self._limits.burst, per_second=self._limits.per_minute / 60, now=now)
        self.suppressed = 0  # sightings that the flood limits kept from becoming questions

    @property
    def waiting(self) -> tuple[ClearanceRequest, ...]:
        """The open questions, oldest first."""
        return tuple(self._waiting.values())

    @property
    def domains(self) -> tuple[str, ...]:
        """The registrable domains that were ever asked for, oldest first."""
        return tuple(self._domains)

    def record_sighting(
        self, target: Target, why: str, now: float, dossier: Callable[[], Mapping[str, str]] = dict
    ) -> Sighting:
        """Take note of a refusal; ask once per target, with the `dossier` of then, as far as limits allow."""
        if (answer := self.recent_answer(target, now)) is not None:
            return Sighting("answered", verdict=answer)
        waiting = self._by_key.get(target.key)
        if waiting is not None:
            request = self._waiting[waiting] = self._waiting[waiting].again(now)
            return Sighting("repeated", request)
        if len(self._waiting) >= self._limits.waiting or not self._bucket.take_token(now):
            self.suppressed += 1
            return Sighting("suppressed")
        domain = registrable_domain(target.name or target.address)
        request = ClearanceRequest(
            id=self._new_id(),
            container=self._container,
            target=target,
            why=safe_text(why, limit=MAX_TEXT),
            first_seen=now,
            last_seen=now,
            first_time=domain not in self._domains,
            dossier=dict(dossier()),
        )
        self.restore_request(request)
        return Sighting("new", request)

    def recent_answer(self, target: Target, now: float) -> Verdict | None:
        """Return the verdict that `target` was given just now."""
        verdict, until = self._answered.get(target.key, (None, 0.0))
        return verdict if now < until else None

    def check(self, request_id: str, target: str) -> ClearanceRequest:
        """Return the waiting request that a verdict on `target` answers; raises `UnknownRequest`, `TargetMismatch`."""
        request = self._waiting.get(request_id)
        if request is None:
            raise UnknownRequest(f"no request {safe_text(request_id, limit=64)!r} waits", hint=_LIST)
        if str(request.target) != target:
            raise TargetMismatch(
                f"request {request.id} is about {request.target}, not {safe_text(target, limit=300)}", hint=_LIST
            )
        return request

    def decide(self, request_id: str, target: str, verdict: Verdict, now: float) -> ClearanceRequest:
        """Consume a request by its answer and return it; raises as `check` does."""
        request = self.check(request_id, target)
        self._forget(request)
        self._answered[request.target.key] = (verdict, now + self._limits.settle)
        self._answered.move_to_end(request.target.key)
        if len(self._answered) > self._limits.waiting:
            self._answered.popitem(last=False)
        return request

    def expire(self, now: float) -> list[ClearanceRequest]:
        """Close and return the requests that nobody has answered in time: they stay denied."""
        late = [one for one in self._waiting.values() if now - one.last_seen >= self._limits.lifetime]
        for request in late:
            self._forget(request)
        return late

    def relabel(self, dossier: Mapping[str, str]) -> list[ClearanceRequest]:
        """Put `dossier` on the waiting requests that have another, and return these."""
        stale = [request.id for request in self._waiting.values() if request.dossier != dossier]
        for request_id in stale:
            self._waiting[request_id] = replace(self._waiting[request_id], dossier=dict(dossier))
        return [self._waiting[request_id] for request_id in stale]

    def restore_request(self, request: ClearanceRequest) -> None:
        """Put a request back as the journal has it; a later one about the same target replaces it."""
        older = self._by_key.get(request.target.key)
        if older is not None:
            self._waiting.pop(older, None)
        if len(self._waiting) >= self._limits.waiting:
            return
        self._waiting[request.id] = request
        self._by_key[request.target.key] = request.id
        self.restore_domain(request.domain)

    def restore_domain(self, domain: str) -> None:
        """Remember that `domain` was asked for."""
        self._domains[domain] = None
        if len(self._domains) > self._limits.remembered:
            self._domains.popitem(last=False)

    def restore_end(self, request_id: str) -> None:
        """Close a request that the journal says has ended."""
        request = self._waiting.get(request_id)
        if request is not None:
            self._forget(request)

    def _forget(self, request: ClearanceRequest) -> None:
        del self._waiting[request.id]
        if self._by_key.get(request.target.key) == request.id:
            del self._by_key[request.target.key]


_LIST: Final = "see `terok-sandbox clearance list`"
