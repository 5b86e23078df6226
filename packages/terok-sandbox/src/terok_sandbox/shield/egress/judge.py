"""Decides whether the proxy may go to a host, to which addresses, and how much: the policy in force, and limits."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import Final

from terok_util.token_bucket import TokenBucket

from terok_sandbox.shield.asker import HOLD_SECONDS, Asker, RefusedDestination
from terok_sandbox.shield.dns_wire import ADDRESS_TYPES
from terok_sandbox.shield.errors import SpellingError
from terok_sandbox.shield.live import LivePolicy
from terok_sandbox.shield.policy import Decision, Policy
from terok_sandbox.shield.policy.addresses import Address, parse_address
from terok_sandbox.shield.upstream import UpstreamError, UpstreamResolver
from terok_sandbox.shield.wall import Wall
from terok_sandbox.shield.wildcard_limits import WildcardLimits

MAX_ADDRESSES: Final = 6
MAX_DELAYED: Final = 64  # connections that wait for a person at the same time; further ones are refused at once
_RATES: Final = 4096
_BUDGETS: Final = 65_536


class Refused(Exception):
    """The proxy does not go there."""

    def __init__(self, decision: Decision, dest: str = "") -> None:
        super().__init__(decision.reason)
        self.decision = decision
        self.dest = dest


class Unreachable(Exception):
    """The proxy may go there, but cannot."""


@dataclass(frozen=True, slots=True)
class EgressDecision:
    """The addresses to dial for a host; `opaque` says that a rule allows a tunnel other than TLS."""

    addresses: tuple[Address, ...]
    opaque: bool
    named: bool


class Judge:
    """Judges hosts by `live`; `host_addresses` are the machine's own, which nothing opens."""

    def __init__(
        self,
        live: LivePolicy,
        upstream: UpstreamResolver,
        host_addresses: Callable[[], Iterable[str]],
        asker: Asker | None = None,
    ) -> None:
        self._live = live
        self._upstream = upstream
        self._host_addresses = host_addresses
        self._asker = asker
        self._limits = WildcardLimits()
        self._delayed = 0

    def decide_destination(self, host: str, port: int) -> Decision:
        """Decide about a host as it was spelled; the addresses of a name are for `admit`."""
        return self._wall().decide_destination(host, port)

    def _wall(self, policy: Policy | None = None) -> Wall:
        return Wall(policy or self._live.policy, self._live.posture, "airlock", self._host_addresses())

    def allows_tunnel(self, host: str, port: int, address: str) -> bool:
        """Whether a tunnel to `host` at `address` (empty while there is none) may go on; it outlives an expiry."""
        wall = self._wall(self._live.lasting)
        if not wall.decide_destination(host, port).allowed:
            return False
        try:
            parse_address(host)
        except SpellingError:
            return not address or wall.decide_answer(host, parse_address(address), port).allowed
        return True

    async def admit(self, host: str, port: int, client: int = 0) -> EgressDecision:
        """Return the addresses to dial for `host`, asked from port `client` inside; raises `Refused`, `Unreachable`."""
        decision = self.decide_destination(host, port)
        if not decision.allowed and decision.tier == "default" and self._delayed < MAX_DELAYED:
            place = (host, "", port, "tcp")
            refused = RefusedDestination(*place, decision.reason, decision.tier, decision.rule, ("tcp", client))
            await self._await_verdict(refused)
            decision = self.decide_destination(host, port)
        if not decision.allowed:
            raise Refused(decision)
        try:
            address = parse_address(host)
        except SpellingError:
            return await self._resolve(host, port)
        rules = [rule for rule in self._live.policy.matching(host) if rule.line == decision.rule]
        return EgressDecision((address,), any(rule.opaque for rule in rules), named=False)

    async def _await_verdict(self, refused: RefusedDestination) -> None:
        if self._asker is None:
            return
        self._delayed += 1
        try:
            with suppress(TimeoutError):
                async with asyncio.timeout(HOLD_SECONDS):
                    await self._asker.delay_answer(refused)
        finally:
            self._delayed -= 1

    async def _resolve(self, name: str, port: int) -> EgressDecision:
        self._ration(name, port)
        outcomes = await asyncio.gather(
            *(self._upstream.query(name, rdtype) for rdtype in sorted(ADDRESS_TYPES)), return_exceptions=True
        )
        answers = [outcome for outcome in outcomes if not isinstance(outcome, BaseException)]
        decision = self.decide_destination(name, port)  # a denial may have come while the upstream took its time
        alias = self._live.policy.refused_alias(target for answer in answers for target in answer.chain)
        if alias or not decision.allowed:
            raise Refused(alias or decision)
        addresses = [address for answer in answers for address in answer.addresses]
        if not addresses:
            failed = next((outcome for outcome in outcomes if isinstance(outcome, UpstreamError)), None)
            raise Unreachable(str(failed or "the name has no address"))
        wall = self._wall()
        judged = [(address, wall.decide_answer(name, address, port)) for address in addresses[: 4 * MAX_ADDRESSES]]
        allowed = tuple(address for address, decision in judged if decision.allowed)[:MAX_ADDRESSES]
        if not allowed:
            raise Refused(judged[0][1], str(judged[0][0]))
        return EgressDecision(allowed, wall.allows_opaque(name, port), named=True)

    def _ration(self, name: str, port: int) -> None:
        """Refuse one name too many below a wildcard, because the upstream would be told of it."""
        decision = self._wall().decide_name(name, port)
        now = asyncio.get_running_loop().time()
        if decision.zone and (reason := self._limits.refuse_name(name, decision.zone, now)):
            raise Refused(replace(decision, verdict="deny", reason=reason))


@dataclass(frozen=True, slots=True)
class HostLimits:
    """Limits of one host, for as long as the gateway runs. Bytes are those of tunnels and plain requests."""

    burst: float = 200.0
    per_second: float = 20.0
    up: int = 8 * 1024**3
    down: int = 256 * 1024**3


class HostUsage:
    """Counts how much one container uses each host; `now` is a monotonic clock in seconds.

    Bytes are never forgotten, or other hosts would refill a budget: whoever used very many reaches no further one.
    """

    def __init__(self, limits: HostLimits | None = None, *, hosts: int = _BUDGETS) -> None:
        self._limits = limits or HostLimits()
        self._most = hosts
        self._rates: OrderedDict[str, TokenBucket] = OrderedDict()
        self._bytes: dict[str, tuple[int, int]] = {}

    def refuse_connection(self, host: str, now: float) -> str | None:
        """Count a connection; return why it must not be made, or `None`."""
        if host not in self._rates:
            self._rates[host] = TokenBucket(burst=self._limits.burst, per_second=self._limits.per_second, now=now)
        self._rates.move_to_end(host)
        if len(self._rates) > _RATES:
            self._rates.popitem(last=False)
        if not self._rates[host].take_token(now):
            return f"too many connections to {host}"
        return f"the byte budget of {host} is used up" if self._is_used_up(host) else None

    def count_bytes(self, host: str, count: int, *, up: bool) -> bool:
        """Count bytes; return whether the budget still holds."""
        # Forgetting a host would give it a new budget.
        if host not in self._bytes and len(self._bytes) >= self._most:
            return False
        sent, received = self._bytes.get(host, (0, 0))
        self._bytes[host] = (sent + count, received) if up else (sent, received + count)
        return not self._is_used_up(host)

    def _is_used_up(self, host: str) -> bool:
        sent, received = self._bytes.get(host, (0, 0))
        return sent > self._limits.up or received > self._limits.down
