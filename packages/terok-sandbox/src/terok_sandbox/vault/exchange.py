"""Requests under way: what is known about each, what went through, and whether it may go on."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

from terok_sandbox.http1.head import HttpSyntaxError, ResponseHead
from terok_sandbox.vault.access import TokenGrant, VaultAccess
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.refusal import VaultRefusal
from terok_sandbox.vault.usage.meter import UsageMeter
from terok_sandbox.vault.usage.observation import Observation

_log = logging.getLogger(__name__)

UNDECIDED = "failed"
"""The outcome of an exchange about which nothing better is known."""


class HeldBackError(HttpSyntaxError):
    """The last piece of a request must not leave; `refusal` says why."""

    def __init__(self, refusal: VaultRefusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


class Traffic:
    """Body or message bytes that went through so far, as the container sees them, `sent` from it and `received` by it.

    `stop` is called when the meter lets no more pass.
    """

    __slots__ = ("_failed", "observer", "received", "sent", "stop")

    def __init__(self) -> None:
        self.sent = self.received = 0
        self._failed = False
        self.observer: Observation | None = None
        self.stop: Callable[[VaultRefusal], None] | None = None

    def count(self, *, sent: int = 0, received: int = 0) -> None:
        """Count bytes and tell the meter."""
        self.sent += sent
        self.received += received
        if self.observer is not None:
            refusal = self._tell(lambda observer: observer.move(sent + received))
            if refusal is not None and self.stop is not None:
                self.stop(refusal)

    def ask(self, data: bytes, *, last: bool) -> None:
        """Show the meter a piece of a body, or a message; raises HeldBackError if the last must not leave."""
        if self.observer is not None:
            refusal = self._tell(lambda observer: observer.ask(data, last=last))
            if refusal is not None:
                raise HeldBackError(refusal)

    def begin(self, head: ResponseHead) -> None:
        """Show the answer's head to the meter."""
        if self.observer is not None:
            pairs = zip(head.names, head.fields, strict=True)
            headers = {name.decode("ascii"): value.decode("utf-8", "replace") for name, (_, value) in pairs}
            self._tell(lambda observer: observer.begin(head.status, headers))

    def feed(self, data: bytes) -> None:
        """Show plain content of the answer to the meter."""
        if self.observer is not None:
            self._tell(lambda observer: observer.feed(data))

    def leave(self) -> bool:
        """Tell the meter that nobody waits for the answer; return whether its rest is of use to the meter alone."""
        return self.observer is not None and not self._failed and self.observer.leave()

    def end(self, outcome: str) -> None:
        """Tell the meter that the exchange is over."""
        if self.observer is None:
            return
        self._failed = False  # whatever the observer missed, it learns that this is over
        self._tell(lambda observer: observer.end(self.sent, self.received, outcome))
        self.observer = None

    def _tell(self, call: Callable[[Observation], VaultRefusal | None]) -> VaultRefusal | None:
        if self.observer is None or self._failed:
            return None
        try:
            return call(self.observer)
        except Exception:  # noqa: BLE001 - counting must not break what is counted
            _log.exception("the meter failed; it sees no more of this exchange")
            self._failed = True
        return None


@dataclass(slots=True)
class Exchange:
    """One request, from its head to its last row in the audit."""

    number: str
    method: str = ""
    path: str = ""
    token_id: str = ""
    provider: str = ""
    status: int = 0
    outcome: str = UNDECIDED
    started: float = field(default_factory=time.monotonic)
    traffic: Traffic = field(default_factory=Traffic)
    stopped: VaultRefusal | None = None
    """Why it was ended while it was under way."""
    over: bool = False
    task: asyncio.Task[Any] | None = None

    def stop(self, refusal: VaultRefusal) -> None:
        """End it from outside: its task is cancelled with the next turn of the loop, unless it is over by then."""
        if self.stopped is None and not self.over and self.task is not None:
            self.stopped, self.outcome = refusal, refusal.reason
            self.task.get_loop().call_soon(self._cancel)

    def _cancel(self) -> None:
        if not self.over and self.task is not None:
            self.task.cancel()


LOOK_SECONDS: Final = 0.5
_REVOKED: Final = VaultRefusal(401, "unknown_token", "the token has been revoked")


class OpenExchanges:
    """The exchanges under way of one container. Used from one event loop."""

    def __init__(self, access: VaultAccess, meter: UsageMeter | None) -> None:
        self._access = access
        self._meter = meter
        self._open: dict[str, tuple[Exchange, TokenGrant]] = {}
        self._looking: asyncio.Task[None] | None = None

    def add(self, exchange: Exchange, grant: TokenGrant) -> None:
        """Register `exchange`, served by the running task: it is stopped as soon as its grant is no longer valid."""
        exchange.task = asyncio.current_task()
        exchange.traffic.stop = exchange.stop
        self._open[exchange.number] = (exchange, grant)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_on())

    def remove(self, exchange: Exchange) -> None:
        """Forget an exchange that is over."""
        self._open.pop(exchange.number, None)

    def close(self) -> None:
        """Stop checking."""
        if self._looking is not None:
            self._looking.cancel()

    async def hold(self, refusal: VaultRefusal, since: float) -> VaultRefusal | None:
        """Wait as `UsageMeter.hold` does."""
        return refusal if self._meter is None else await self._meter.hold(refusal, since)

    async def ask(self, exchange: Exchange, data: bytes, *, last: bool) -> None:
        """Show the meter a piece as `Traffic.ask` does; where a budget holds the last one, wait and ask again."""
        since = time.monotonic()
        while True:
            try:
                return exchange.traffic.ask(data, last=last)
            except HeldBackError as error:
                if (refusal := await self.hold(error.refusal, since)) is not None:
                    raise HeldBackError(refusal) from error
            data = b""  # it is taken already

    async def again(self, grant: TokenGrant) -> VaultRefusal | None:
        """Return the refusal of a WebSocket's next message, or None; a message that a budget holds waits in here."""
        since = time.monotonic()
        while (refusal := await self._refusal(grant)) is not None:
            if (refusal := await self.hold(refusal, since)) is not None:
                return refusal
        return None

    async def _refusal(self, grant: TokenGrant) -> VaultRefusal | None:
        try:
            if (refusal := await self._access.ready()) is not None:
                return refusal
            if self._access.token(grant.presented) != grant.token:
                return _REVOKED
        except VaultError as error:
            return VaultRefusal(503, "vault_unavailable", error.message, error.hint)
        if self._meter is None:
            return None
        path = grant.screened.target.path
        return self._meter.admit(grant.route, grant.screened.method, path, ongoing=True)

    async def _look_on(self) -> None:
        while self._open:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                await self.look()
            except Exception:  # noqa: BLE001 - the next look may succeed
                _log.exception("what is under way could not be looked at")

    async def look(self) -> None:
        """Stop what may not go on. A vault that is busy for a moment ends nothing, a locked one everything."""
        refusal = await self._access.ready()
        over: dict[str, VaultRefusal | None] = {}
        for exchange, grant in list(self._open.values()):
            if not self._access.unlocked:
                exchange.stop(refusal or VaultRefusal(503, "vault_unavailable", "the vault is locked"))
                continue
            try:
                why = None if self._access.token(grant.presented) == grant.token else _REVOKED
            except VaultError:
                continue
            if why is None and self._meter is not None:
                if grant.route.provider not in over:
                    over[grant.route.provider] = self._meter.overrun(grant.route)
                why = over[grant.route.provider]
            if why is not None:
                exchange.stop(why)
