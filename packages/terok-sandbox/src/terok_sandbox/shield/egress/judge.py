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
from terok_sandbox.shield.policy.addresses import judged_as, parse_address
from terok_sandbox.shield.upstream import UpstreamError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from terok_sandbox.shield.asker import Asker
    from terok_sandbox.shield.live import LivePolicy
    from terok_sandbox.shield.policy import Grant, Policy
    from terok_sandbox.shield.policy.addresses import Address
    from terok_sandbox.shield.upstream import Upstream

MAX_ADDRESSES: Final = 6
_HOST: Final = Decision("deny", "an address of the host", "floor")
_QUARANTINE: Final = Decision("deny", "the container is in quarantine", "quarantine")


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

    def decide(self, host: str, port: int, policy: Policy | None = None) -> Decision:
        """Return the verdict on a host as it was spelled; addresses of a name are judged by :meth:`route`."""
        policy = policy or self._live.policy
        if self._live.posture == "quarantine":
            return _QUARANTINE
        try:
            address = parse_address(host)
        except SpellingError:
            return self._passing(policy.decide_name(host, port))
        if self._is_host(address):
            return _HOST
        return self._passing(policy.decide_address(address, port))

    def _is_host(self, address: Address) -> bool:
        return str(judged_as(address)) in self._host_addresses()

    def _passing(self, decision: Decision) -> Decision:
        """Let through what no rule decides where the posture says so; floors and denials stay, in every posture."""
        if decision.tier == "default" and self._live.posture in ("down", "disengaged"):
            return Decision("allow", f"the wall is {self._live.posture}", "default")
        return decision

    def holds(self, host: str, port: int, address: str) -> bool:
        """Whether a tunnel to *host* at *address* (empty while there is none) may go on; it outlives an expiry."""
        policy = self._live.lasting
        if not self.decide(host, port, policy).allowed:
            return False
        try:
            parse_address(host)
        except SpellingError:
            return not address or self._judge(host, parse_address(address), port, policy).allowed
        return True

    async def route(self, host: str, port: int, client: int = 0) -> Route:
        """Return what may be dialed for *host*; raises :class:`Refused` and :class:`Unreachable`.

        *client* is the port that the one who asks is connected from.
        """
        decision = self.decide(host, port)
        if not decision.allowed and self._asker is not None and decision.tier == "default":
            request = Request(host, "", port, "tcp", decision.reason, decision.tier, decision.rule, ("tcp", client))
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
        policy = self._live.policy
        judged = [(address, self._judge(name, address, port, policy)) for address in found[: 4 * MAX_ADDRESSES]]
        kept = tuple(address for address, decision in judged if decision.allowed)[:MAX_ADDRESSES]
        if not kept:
            raise Refused(judged[0][1], str(judged[0][0]))
        return Route(kept, any(one.rule.opaque for one in _grants(policy, name, port)), named=True)

    def _ration(self, name: str, port: int) -> None:
        """Refuse a name below a wildcard that carries data, or one too many: it would be told to the upstream."""
        grants = _grants(self._live.policy, name, port)
        rule = next((one.rule for one in grants if not one.rule.wildcard), grants[0].rule if grants else None)
        if rule is None or rule.name is None or not rule.wildcard:
            return
        reason = shape_refusal(below(name, rule.name))
        reason = reason or self._budget.refusal(name, rule.name, asyncio.get_running_loop().time())
        if reason:
            raise Refused(Decision("deny", reason, rule.tier, rule.line))

    def _judge(self, name: str, address: Address, port: int, policy: Policy) -> Decision:
        if self._is_host(address):
            return _HOST
        verdicts = [policy.judge_answer(grant, address) for grant in _grants(policy, name, port)]
        if not verdicts:
            return self._passing(policy.decide_address(address, port))
        return next((one for one in verdicts if one.allowed), verdicts[0])


def _grants(policy: Policy, name: str, port: int) -> list[Grant]:
    return [one for one in policy.grants(name) if one.service.covers("tcp", port)]
