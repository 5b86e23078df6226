"""The agent of a container: its scope's keys, served on a socket in the directory the container sees."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_util.door import Door

from terok_sandbox.audit import AuditLog
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.ssh.agent import MAX_CONNECTIONS, Agent
from terok_sandbox.vault.ssh.store import KeyRow, SSHManager

if TYPE_CHECKING:
    import socket
    from pathlib import Path

    from terok_sandbox.vault.access import VaultAccess


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
        self._agent = Agent(AccessRing(access, scope), self._record)
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
