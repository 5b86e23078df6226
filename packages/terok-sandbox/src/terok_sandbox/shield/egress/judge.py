"""Whether the proxy may go to a host, and to which addresses: the policy in force, pinned to what was resolved."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Final

from terok_sandbox.shield.asker import HOLD_SECONDS, Request
from terok_sandbox.shield.budget import ZoneBudget
from terok_sandbox.shield.dns_wire import ADDRESS_TYPES
from terok_sandbox.shield.errors import SpellingError
from terok_sandbox.shield.policy.addresses import parse_address
from terok_sandbox.shield.upstream import UpstreamError
from terok_sandbox.shield.wall import Wall

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from terok_sandbox.shield.asker import Asker
    from terok_sandbox.shield.live import LivePolicy
    from terok_sandbox.shield.policy import Decision, Policy
    from terok_sandbox.shield.policy.addresses import Address
    from terok_sandbox.shield.upstream import Upstream

MAX_ADDRESSES: Final = 6
MAX_HELD: Final = 64
"""Connections that wait for a person at the same time; further ones are refused at once."""


class Refused(Exception):
    """The proxy does not go there."""

    def __init__(self, decision: Decision, dest: str = "") -> None:
        super().__init__(decision.reason)
        self.decision = decision
        self.dest = dest


class Unreachable(Exception):
    """It may go there, but there is no way."""


@dataclass(frozen=True, slots=True)
class Route:
    """What may be dialed. `opaque` says that a rule allows a tunnel which is not TLS."""

    addresses: tuple[Address, ...]
    opaque: bool
    named: bool


class Judge:
    """Judges hosts by `live`; `host_addresses` are the machine's own, which nothing opens."""

    def __init__(
        self,
        live: LivePolicy,
        upstream: Upstream,
        host_addresses: Callable[[], Collection[str]],
        asker: Asker | None = None,
    ) -> None:
        self._live = live
        self._upstream = upstream
        self._host_addresses = host_addresses
        self._asker = asker
        self._budget = ZoneBudget()
        self._held = 0

    def decide(self, host: str, port: int) -> Decision:
        """Return the verdict on a host as it was spelled; addresses of a name are judged by `route`."""
        return self._wall().destination(host, port)

    def _wall(self, policy: Policy | None = None) -> Wall:
        return Wall(policy or self._live.policy, self._live.posture, "airlock", self._host_addresses())

    def holds(self, host: str, port: int, address: str) -> bool:
        """Whether a tunnel to `host` at `address` (empty while there is none) may go on; it outlives an expiry."""
        wall = self._wall(self._live.lasting)
        if not wall.destination(host, port).allowed:
            return False
        try:
            parse_address(host)
        except SpellingError:
            return not address or wall.answer(host, parse_address(address), port).allowed
        return True

    async def route(self, host: str, port: int, client: int = 0) -> Route:
        """Return what may be dialed for `host`; raises `Refused` and `Unreachable`.

        `client` is the port that the one who asks is connected from.
        """
        decision = self.decide(host, port)
        if not decision.allowed and decision.tier == "default" and self._held < MAX_HELD:
            await self._hold(
                Request(host, "", port, "tcp", decision.reason, decision.tier, decision.rule, ("tcp", client))
            )
            decision = self.decide(host, port)
        if not decision.allowed:
            raise Refused(decision)
        try:
            address = parse_address(host)
        except SpellingError:
            return await self._resolved(host, port)
        rules = [rule for rule in self._live.policy.matching(host) if rule.line == decision.rule]
        return Route((address,), any(rule.opaque for rule in rules), named=False)

    async def _hold(self, request: Request) -> None:
        """Give a person time to answer."""
        if self._asker is None:
            return
        self._held += 1
        try:
            async with asyncio.timeout(HOLD_SECONDS):
                await self._asker.hold(request)
        except TimeoutError:
            pass
        finally:
            self._held -= 1

    async def _resolved(self, name: str, port: int) -> Route:
        self._ration(name, port)
        outcomes = await asyncio.gather(
            *(self._upstream.ask(name, rdtype) for rdtype in sorted(ADDRESS_TYPES)), return_exceptions=True
        )
        answers = [one for one in outcomes if not isinstance(one, BaseException)]
        decision = self.decide(name, port)  # a denial may have come while the upstream took its time
        alias = self._live.policy.refused_alias(target for one in answers for target in one.chain)
        if alias or not decision.allowed:
            raise Refused(alias or decision)
        found = [address for one in answers for address in one.addresses]
        if not found:
            failed = next((one for one in outcomes if isinstance(one, UpstreamError)), None)
            raise Unreachable(str(failed or "the name has no address"))
        wall = self._wall()
        judged = [(address, wall.answer(name, address, port)) for address in found[: 4 * MAX_ADDRESSES]]
        kept = tuple(address for address, decision in judged if decision.allowed)[:MAX_ADDRESSES]
        if not kept:
            raise Refused(judged[0][1], str(judged[0][0]))
        return Route(kept, wall.opaque(name, port), named=True)

    def _ration(self, name: str, port: int) -> None:
        """Refuse one name too many below a wildcard: it would be told to the upstream."""
        named = self._wall().proxied(name, port)
        if named.zone and (why := self._budget.refusal(name, named.zone, asyncio.get_running_loop().time())):
            raise Refused(replace(named.decision, verdict="deny", reason=why))
