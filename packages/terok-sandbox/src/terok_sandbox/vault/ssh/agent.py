"""An SSH agent that lists and signs with a scope's keys; every signature is recorded before it is given."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol

from terok_util.door import Door, streams

from terok_sandbox.audit import AuditLog
from terok_sandbox.errors import AuditError
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.ssh import agent_protocol
from terok_sandbox.vault.ssh.agent_protocol import FAILURE, MAX_MESSAGE, ListKeys, Sign
from terok_sandbox.vault.ssh.store import KeyRow, SSHManager

if TYPE_CHECKING:
    import socket
    from collections.abc import Callable
    from pathlib import Path

    from terok_util.door import Seat

    from terok_sandbox.vault.access import VaultAccess

_log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 32
IDLE_SECONDS: Final = 600.0


class KeyRing(Protocol):
    """The keys one agent may use, asked anew for each message."""

    async def keys(self) -> list[KeyRow]:
        """Return the keys, default first."""

    async def private_der(self, public_blob: bytes) -> bytes | None:
        """Return the private half of one of them."""


class SshAgent:
    """Serves connections. `record` is told the fingerprint before a signature is given, and may raise AuditError."""

    def __init__(self, ring: KeyRing, record: Callable[[str], None]) -> None:
        self._ring = ring
        self._record = record

    async def enter(self, connection: socket.socket, seat: Seat) -> None:
        """Answer a connection that a door has let in, until it ends, misbehaves or is idle for too long.

        Between two messages a newcomer may get its seat, the one that has waited for longest first.
        """
        async with streams(connection) as (reader, writer):
            while True:
                seat.release()
                async with asyncio.timeout(IDLE_SECONDS):
                    length = int.from_bytes(await reader.readexactly(4), "big")
                    if not 0 < length <= MAX_MESSAGE:
                        return
                    message = await reader.readexactly(length)
                    seat.occupy()
                    writer.write(agent_protocol.framed(await self.answer(message)))
                    await writer.drain()

    async def answer(self, message: bytes) -> bytes:
        """Return the answer to one message; a failure says nothing about its cause, the log does."""
        request = agent_protocol.parse_request(message)
        try:
            if isinstance(request, ListKeys):
                keys = await self._ring.keys()
                return agent_protocol.identities_answer([(key.public_blob, key.comment) for key in keys])
            if isinstance(request, Sign):
                return await self._sign(request)
        except (VaultError, AuditError) as error:
            _log.warning("ssh agent: %s", error.message)
        return FAILURE

    async def _sign(self, request: Sign) -> bytes:
        from terok_sandbox.vault.ssh.keys import fingerprint, sign

        der = await self._ring.private_der(request.blob)
        if der is None:
            _log.warning("ssh agent: a key was asked for that this scope does not have")
            return FAILURE
        if request.sha1:
            _log.warning("ssh agent: a signature with SHA-1 was asked for and refused")
            return FAILURE
        self._record(fingerprint(request.blob))
        signature = await asyncio.to_thread(sign, der, request.data, request.flags)
        return FAILURE if signature is None else agent_protocol.sign_answer(signature)


class AccessRing:
    """The keys of one scope through the broker's view of the vault."""

    def __init__(self, access: VaultAccess, scope: str) -> None:
        self._access = access
        self._scope = scope

    async def keys(self) -> list[KeyRow]:
        """Return the scope's keys, default first."""
        return (await self._opened()).of_scope(self._scope)

    async def private_der(self, public_blob: bytes) -> bytes | None:
        """Return the private half of a key of the scope."""
        return (await self._opened()).private_der(self._scope, public_blob)

    async def _opened(self) -> SSHManager:
        refusal = await self._access.ready()
        if refusal is not None and refusal.reason != "routes_unusable":  # signing needs no routes
            raise VaultError(refusal.message, hint=refusal.hint)
        return SSHManager(self._access.database())


class ContainerAgent:
    """Listens for one container and records each use of a key in its credential audit."""

    def __init__(self, access: VaultAccess, scope: str, container: str, audit_path: Path) -> None:
        self._audit = AuditLog(audit_path, container=container, durable=True)
        self._scope = scope
        self._agent = SshAgent(AccessRing(access, scope), self._record)
        self._door = Door("ssh-agent", MAX_CONNECTIONS)

    def start(self, listener: socket.socket) -> None:
        """Serve `listener` from now on."""
        self._door.open(listener, self._agent.enter)

    def close(self) -> None:
        """Stop listening."""
        self._door.close()
        self._audit.close()

    def _record(self, fingerprint: str) -> None:
        self._audit.append("ssh-sign", provider="ssh", scope=self._scope, key=fingerprint, verdict="released")
