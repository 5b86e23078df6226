"""What a name would lead to in a container: the gateway's decisions, explained without opening anything."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_sandbox.shield.dns_wire import ADDRESS_TYPES
from terok_sandbox.shield.wall import is_local

if TYPE_CHECKING:
    from terok_sandbox.shield.policy import Decision
    from terok_sandbox.shield.policy.addresses import Address
    from terok_sandbox.shield.upstream import Upstream
    from terok_sandbox.shield.wall import Wall


async def explain(wall: Wall, upstream: Upstream, name: str) -> tuple[Decision, list[tuple[Address, Decision]]]:
    """Return the verdict on `name` (canonical spelling) and on each address that an allowed one has now.

    In an airlock the proxy resolves: for the first port that the name is allowed on. Raises `UpstreamError`.
    """
    port = None
    if wall.enforcement == "airlock":
        ports = (grant.service.port or 1 for grant in wall.policy.grants(name) if grant.service.protocol == "tcp")
        port = next(ports, 443)
    decision = wall.resolves(name).decision if port is None else wall.destination(name, port)
    if not decision.allowed or is_local(name):
        return decision, []
    answers = [await upstream.ask(name, rdtype) for rdtype in sorted(ADDRESS_TYPES)]
    alias = None if wall.open else wall.policy.refused_alias(target for one in answers for target in one.chain)
    found = [address for one in answers for address in one.addresses]
    return decision, [(address, alias or wall.answer(name, address, port)) for address in found]
