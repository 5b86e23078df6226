"""Running exchanges, and whether they may continue: checked twice a second, and before each WebSocket message."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final

from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.refusal import Refusal

if TYPE_CHECKING:
    from terok_sandbox.vault.access import Grant, VaultAccess
    from terok_sandbox.vault.exchange import Exchange
    from terok_sandbox.vault.hooks import Meter

_log = logging.getLogger(__name__)

LOOK_SECONDS: Final = 0.5
_REVOKED: Final = Refusal(401, "unknown_token", "the token has been revoked")


class Standing:
    """The exchanges under way of one container. Used from one event loop."""

    def __init__(self, access: VaultAccess, meter: Meter | None) -> None:
        self._access = access
        self._meter = meter
        self._open: dict[str, tuple[Exchange, Grant]] = {}
        self._looking: asyncio.Task[None] | None = None

    def add(self, exchange: Exchange, grant: Grant) -> None:
        """Take note that the running task serves `exchange`: it is stopped when its grant is worth nothing any more."""
        exchange.task = asyncio.current_task()
        exchange.traffic.stop = exchange.stop
        self._open[exchange.number] = (exchange, grant)
        if self._looking is None or self._looking.done():
            self._looking = asyncio.get_running_loop().create_task(self._look_on())

    def remove(self, exchange: Exchange) -> None:
        """Take note that an exchange is over."""
        self._open.pop(exchange.number, None)

    def close(self) -> None:
        """Look no more."""
        if self._looking is not None:
            self._looking.cancel()

    async def again(self, grant: Grant) -> Refusal | None:
        """Return why an open WebSocket may carry no further message: token revoked, vault locked, budget used up."""
        try:
            if (refusal := await self._access.ready()) is not None:
                return refusal
            if self._access.token(grant.presented) != grant.token:
                return _REVOKED
        except VaultError as error:
            return Refusal(503, "vault_unavailable", error.message, error.hint)
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
                exchange.stop(refusal or Refusal(503, "vault_unavailable", "the vault is locked"))
            return
        over: dict[str, Refusal | None] = {}
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
