"""Requests under way: what is known about each, what went through, and whether it may go on.

`Meter` and `Credentials` are what the proxy asks others; they are called on its event loop and must not block it.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Protocol

from terok_sandbox.http1.head import HttpSyntaxError
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.refusal import VaultRefusal

if TYPE_CHECKING:
    from collections.abc import Callable

    from terok_sandbox.http1.head import ResponseHead
    from terok_sandbox.vault.access import Credential, TokenGrant, VaultAccess
    from terok_sandbox.vault.routes import Route
    from terok_sandbox.vault.store import Billing, TokenRow

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
        self.observer: ResponseObserver | None = None
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
        """Show the meter a piece of the request's body, or a message, before it leaves.

        Raises:
            HeldBackError: the last piece must not leave.
        """
        if self.observer is not None:
            refusal = self._tell(lambda observer: observer.ask(data, last=last))
            if refusal is not None:
                raise HeldBackError(refusal)

    def begin(self, head: ResponseHead) -> None:
        """Show the answer's head to the meter."""
        if self.observer is not None:
            headers = {
                name.decode("ascii"): value.decode("utf-8", "replace")
                for name, (_, value) in zip(head.names, head.fields, strict=True)
            }
            self._tell(lambda observer: observer.begin(head.status, headers))

    def feed(self, data: bytes) -> None:
        """Show plain content of the answer to the meter."""
        if self.observer is not None:
            self._tell(lambda observer: observer.feed(data))

    def end(self, outcome: str) -> None:
        """Tell the meter that the exchange is over."""
        if self.observer is None:
            return
        self._failed = False  # whatever the observer missed, it learns that this is over
        self._tell(lambda observer: observer.end(self.sent, self.received, outcome))
        self.observer = None

    def _tell(self, call: Callable[[ResponseObserver], VaultRefusal | None]) -> VaultRefusal | None:
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

    def __init__(self, access: VaultAccess, meter: Meter | None) -> None:
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

    async def held(self, refusal: VaultRefusal, since: float) -> bool:
        """Wait as `Meter.hold` does."""
        return self._meter is not None and await self._meter.hold(refusal, since)

    async def ask(self, exchange: Exchange, data: bytes, *, last: bool) -> None:
        """Show the meter a piece as `Traffic.ask` does; where a budget holds the last one, wait and ask again."""
        since = time.monotonic()
        while True:
            try:
                return exchange.traffic.ask(data, last=last)
            except HeldBackError as error:
                if not await self.held(error.refusal, since):
                    raise
            data = b""  # it is taken already

    async def again(self, grant: TokenGrant) -> VaultRefusal | None:
        """Return the refusal of a WebSocket's next message (token revoked, vault locked, budget used up), or None.

        A message that a budget holds waits in here.
        """
        since = time.monotonic()
        while (refusal := await self._refusal(grant)) is not None and await self.held(refusal, since):
            pass
        return refusal

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
        return self._meter.admit(grant.token, grant.route, grant.screened.method, path, ongoing=True)

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
        if not self._access.unlocked:
            for exchange, _ in list(self._open.values()):
                exchange.stop(refusal or VaultRefusal(503, "vault_unavailable", "the vault is locked"))
            return
        over: dict[str, VaultRefusal | None] = {}
        for exchange, grant in list(self._open.values()):
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


class ResponseObserver(Protocol):
    """Follows one exchange. An exception raised in here is logged and ends the observation, never the exchange."""

    def ask(self, data: bytes, *, last: bool) -> VaultRefusal | None:
        """Take a piece of the request's body, or one whole message of a WebSocket's client, before it leaves.

        Return why the `last` piece must not: it is held back then, and the refusal answered.
        """

    def move(self, size: int) -> VaultRefusal | None:
        """Count bytes that passed, either way; return why the exchange must end."""

    def begin(self, status: int, headers: Mapping[str, str]) -> None:
        """Take the answer's head; names in lower case, of repeated headers the last. 101 for a WebSocket."""

    def feed(self, data: bytes) -> None:
        """Take the next piece of the answer's body (identity-encoded), or one whole WebSocket message up to 1 MiB."""

    def end(self, sent: int, received: int, outcome: str) -> None:
        """Take the totals: body bytes of the request and of the answer. Called once, however the exchange ended.

        `outcome` is what the audit's `response` row says: `complete`, `client_left`, or a reason of a refusal.
        """


class Meter(Protocol):
    """Budgets and usage of one container's tasks."""

    def admit(
        self, token: TokenRow, route: Route, method: str, path: str, *, ongoing: bool = False
    ) -> VaultRefusal | None:
        """Return the refusal of a request, or None. A refusal is answered and audited as it is.

        `ongoing` asks for the next message of a WebSocket that was admitted before.
        """

    async def hold(self, refusal: VaultRefusal, since: float) -> bool:
        """Wait until a refused request may be decided about anew; False if `refusal` is to be answered.

        `since` is when it was refused first (`time.monotonic`).
        """

    def refused(self, exchange: Exchange, refusal: VaultRefusal) -> None:
        """Take note of a request that is not let out."""

    def overrun(self, route: Route) -> VaultRefusal | None:
        """Return the refusal that ends requests under way on a route, or None. Asked twice a second."""

    def observe(
        self, token: TokenRow, route: Route, method: str, path: str, billing: Billing
    ) -> ResponseObserver | None:
        """Return the observer of a request that is about to go out; None if nothing is to be counted."""


class Credentials(Protocol):
    """Where the proxy gets the credential that a token stands for."""

    async def current(self, provider: str, credential_set: str) -> Credential | VaultRefusal | None:
        """Return a credential that is fresh now, refreshing it first if needed; None if there is none stored.

        A refusal (401 with the command that signs in again) is answered as it is.

        Raises:
            VaultError: the vault cannot be read; answered with 503.
        """

    def rejected(self, provider: str, credential_set: str, credential: Credential) -> None:
        """Remember that the provider answered 401 to `credential`: the next `current` may refresh early."""
