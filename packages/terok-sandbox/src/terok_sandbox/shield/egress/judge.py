"""Whether the proxy may go to a host, and to which addresses: the policy in force, pinned to what was resolved."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from terok_sandbox.shield.asker import HOLD_SECONDS, Request
from terok_sandbox.shield.budget import ZoneBudget, below, shape_refusal
from terok_sandbox.shield.dns_wire import ADDRESS_TYPES
from terok_sandbox.shield.errors import SpellingError
from terok_sandbox.shield.policy import Decision
from terok_sandbox.shield.policy.addresses import parse_address
from terok_sandbox.shield.upstream import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from terok_sandbox.shield.asker import Asker
    from terok_sandbox.shield.live import LivePolicy
    from terok_sandbox.shield.policy import Grant
    from terok_sandbox.shield.policy.addresses import Address
    from terok_sandbox.shield.upstream import Upstream

MAX_ADDRESSES: Final = 6
_HOST: Final = Decision("deny", "an address of the host", "floor")
_QUARANTINE: Final = Decision("deny", "the container is in quarantine", "default", "quarantine")


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
    """What may be dialed. ``opaque`` says that a rule allows a tunnel which is not TLS."""

    addresses: tuple[Address, ...]
    opaque: bool
    named: bool


class Judge:
    """Judges hosts by *live*; *host_addresses* are the machine's own, which nothing opens."""

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

    def decide(self, host: str, port: int) -> Decision:
        """Return the verdict on a host as it was spelled; addresses of a name are judged by :meth:`route`."""
        if self._live.posture == "quarantine":
            return _QUARANTINE
        try:
            address = parse_address(host)
        except SpellingError:
            return self._passing(self._live.policy.decide_name(host, port))
        if str(address) in self._host_addresses():
            return _HOST
        return self._passing(self._live.policy.decide_address(address, port))

    def _passing(self, decision: Decision) -> Decision:
        """Let through what no rule decides where the posture says so; floors and denials stay, in every posture."""
        if decision.tier == "default" and self._live.posture in ("down", "disengaged"):
            return Decision("allow", f"the wall is {self._live.posture}", "default")
        return decision

    def holds(self, host: str, port: int, address: str) -> bool:
        """Whether a tunnel to *host* at *address* (empty while there is none) would still be made."""
        if not self.decide(host, port).allowed:
            return False
        try:
            parse_address(host)
        except SpellingError:
            grants = [one for one in self._live.policy.grants(host) if one.service.covers("tcp", port)]
            return not address or self._judge(grants, parse_address(address), port).allowed
        return True

    async def route(self, host: str, port: int) -> Route:
        """Return what may be dialed for *host*; raises :class:`Refused` and :class:`Unreachable`."""
        decision = self.decide(host, port)
        if not decision.allowed and self._asker is not None and decision.tier == "default" and not decision.rule:
            request = Request(host, "", port, "tcp", decision.reason, decision.tier, decision.rule)
            try:
                async with asyncio.timeout(HOLD_SECONDS):
                    await self._asker.hold(request)
            except TimeoutError:
                pass
            decision = self.decide(host, port)
        if not decision.allowed:
            raise Refused(decision)
        try:
            address = parse_address(host)
        except SpellingError:
            return await self._resolved(host, port)
        rules = [rule for rule in self._live.policy.matching(host) if rule.line == decision.rule]
        return Route((address,), any(rule.opaque for rule in rules), named=False)

    async def _resolved(self, name: str, port: int) -> Route:
        grants = [one for one in self._live.policy.grants(name) if one.service.covers("tcp", port)]
        self._ration(name, grants)
        answers = await asyncio.gather(
            *(self._upstream.ask(name, rdtype) for rdtype in sorted(ADDRESS_TYPES)), return_exceptions=True
        )
        found = [address for one in answers if not isinstance(one, BaseException) for address in one.addresses]
        if not found:
            failed = next((one for one in answers if isinstance(one, UpstreamError)), None)
            raise Unreachable(str(failed or "the name has no address"))
        judged = [(address, self._judge(grants, address, port)) for address in found[: 4 * MAX_ADDRESSES]]
        kept = tuple(address for address, decision in judged if decision.allowed)[:MAX_ADDRESSES]
        if not kept:
            raise Refused(judged[0][1], str(judged[0][0]))
        return Route(kept, any(one.rule.opaque for one in grants), named=True)

    def _ration(self, name: str, grants: list[Grant]) -> None:
        """Refuse a name below a wildcard that carries data, or one too many: it would be told to the upstream."""
        rule = next((one.rule for one in grants if not one.rule.wildcard), grants[0].rule if grants else None)
        if rule is None or rule.name is None or not rule.wildcard:
            return
        reason = shape_refusal(below(name, rule.name))
        reason = reason or self._budget.refusal(name, rule.name, asyncio.get_running_loop().time())
        if reason:
            raise Refused(Decision("deny", reason, rule.tier, rule.line))

    def _judge(self, grants: list[Grant], address: Address, port: int) -> Decision:
        if str(address) in self._host_addresses():
            return _HOST
        verdicts = [self._live.policy.judge_answer(grant, address) for grant in grants]
        if not verdicts:
            return self._passing(self._live.policy.decide_address(address, port))
        return next((one for one in verdicts if one.allowed), verdicts[0])
