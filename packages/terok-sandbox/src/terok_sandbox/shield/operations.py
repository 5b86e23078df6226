"""Operations of a container's shield for its control socket."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from terok_sandbox.errors import AuditError, ShieldError
from terok_sandbox.shield.control import Connection, Operation
from terok_sandbox.shield.dns_wire import ADDRESS_TYPES
from terok_sandbox.shield.errors import PolicyError
from terok_sandbox.shield.live import LivePolicy
from terok_sandbox.shield.live_store import LiveVerdict
from terok_sandbox.shield.policy import Decision
from terok_sandbox.shield.policy.addresses import Address
from terok_sandbox.shield.policy.names import folded
from terok_sandbox.shield.protocol import Fields
from terok_sandbox.shield.sightings import Sightings
from terok_sandbox.shield.upstream import UpstreamError, UpstreamResolver
from terok_sandbox.shield.wall import Wall, is_local
from terok_sandbox.values.posture import POSTURES

JudgedName = tuple[Decision, list[tuple[Address, Decision]]]
"""The decision about a name, and about each address that an allowed one has."""


class ShieldOperations:
    """Status, posture, verdicts and lookups of one container."""

    def __init__(
        self,
        container: str,
        live: LivePolicy,
        sightings: Sightings,
        *,
        explain: Callable[[str], Awaitable[JudgedName]],
        enforcement: str = "filter",
    ) -> None:
        self._container = container
        self._live = live
        self._sightings = sightings
        self._enforcement = enforcement
        self._explain = explain
        self.by_name: dict[str, Operation] = {
            "status": self._status,
            "posture": self._set_posture,
            "allow": lambda _, fields: self._apply_verdict("allow", fields),
            "deny": lambda _, fields: self._apply_verdict("deny", fields),
            "revoke": self._revoke,
            "reset": self._reset,
            "resolve": self._resolve_name,
        }

    async def _recorded(
        self, change: Callable[[], Awaitable[None]], action: str, *, closes: bool, **fields: object
    ) -> Fields:
        """Write the audit row, then make the change; one that closes comes first, with or without its row."""
        if not closes:
            self._sightings.record_act(action, **fields)
            await change()
            return {}
        reply: Fields = {}
        try:
            await change()
        finally:
            try:
                self._sightings.record_act(action, **fields)
            except AuditError as error:
                reply["unrecorded"] = error.message
        return reply

    async def _status(self, _: Connection, __: Fields) -> Fields:
        return {
            "container": self._container,
            "enforcement": self._enforcement,
            "posture": self._live.posture,
            "rules": len(self._live.policy.rules),
            "verdicts": [verdict.as_json() for verdict in self._live.verdicts],
            "kept": self._live.kept,
        }

    async def _set_posture(self, _: Connection, fields: Fields) -> Fields:
        posture = fields.get("posture")
        if posture not in POSTURES:
            raise PolicyError("unknown posture", hint=f"use one of {', '.join(POSTURES)}")
        closes = POSTURES.index(posture) <= POSTURES.index(self._live.posture)
        reply = await self._recorded(lambda: self._live.set_posture(posture), "posture", closes=closes, posture=posture)
        return {"posture": posture, **reply}

    async def _apply_verdict(self, action: str, fields: Fields) -> Fields:
        verdict = LiveVerdict.from_json({"scope": "task", "expires": None, "reason": ""} | fields | {"verdict": action})
        self._live.check(verdict)
        row = verdict.as_json()
        reply = await self._recorded(lambda: self._live.apply(verdict), "verdict", closes=action == "deny", **row)
        return {"verdict": row, **reply}

    async def _revoke(self, _: Connection, fields: Fields) -> Fields:
        target = str(fields.get("target"))
        if not await self._live.revoke(target):
            raise PolicyError(f"there is no verdict about {target[:200]}", hint="see `terok-sandbox shield rules`")
        self._sightings.record_act("verdict", target=target, verdict="revoked")
        return {"target": target}

    async def _reset(self, _: Connection, __: Fields) -> Fields:
        self._sightings.record_act("posture", posture="up", reason="reset")
        await self._live.reset()
        return {"posture": "up"}

    async def _resolve_name(self, _: Connection, fields: Fields) -> Fields:
        name = folded(str(fields.get("name")))
        try:
            decision, judged = await self._explain(name)
        except UpstreamError as error:
            raise ShieldError(f"{name}: {error}") from error
        addresses = [
            {"address": str(address), "verdict": verdict.verdict, "reason": verdict.reason}
            for address, verdict in judged
        ]
        return {"name": name, "verdict": decision.verdict, "reason": decision.reason, "addresses": addresses}


async def explain_name(wall: Wall, upstream: UpstreamResolver, name: str) -> JudgedName:
    """Decide about `name` and its addresses as the gateway would, opening nothing; raises `UpstreamError`."""
    port = None
    if wall.enforcement == "airlock":
        ports = (grant.service.port or 1 for grant in wall.policy.grants(name) if grant.service.protocol == "tcp")
        port = next(ports, 443)
    decision = wall.decide_lookup(name) if port is None else wall.decide_destination(name, port)
    if not decision.allowed or is_local(name):
        return decision, []
    answers = [await upstream.query(name, rdtype) for rdtype in sorted(ADDRESS_TYPES)]
    alias = None if wall.open else wall.policy.refused_alias(target for answer in answers for target in answer.chain)
    addresses = [address for answer in answers for address in answer.addresses]
    return decision, [(address, alias or wall.decide_answer(name, address, port)) for address in addresses]
