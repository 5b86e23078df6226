"""SSH agents that list and sign with the keys of one scope: for a container, and for git on the host.

Connections, messages and waiting are bounded; every signature for a container is recorded before it is given.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import tempfile
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from terok_util.door import Door, Seat, streams

from terok_sandbox.audit import AuditLog
from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import AuditError
from terok_sandbox.vault.access import VaultAccess
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.ssh import agent_protocol
from terok_sandbox.vault.ssh.agent_protocol import FAILURE, MAX_MESSAGE, ListKeys, Sign
from terok_sandbox.vault.ssh.store import SSHManager
from terok_sandbox.vault.unlock import open_vault

_log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 32
IDLE_SECONDS: Final = 600.0


class SshAgent:
    """Serves connections with the keys of one scope.

    `opened` returns the keys of the open vault, for each message; `record` is told of each signature before it.
    """

    def __init__(self, opened: Callable[[], Awaitable[SSHManager]], scope: str, record: Callable[[str], None]) -> None:
        self._opened = opened
        self._scope = scope
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
                    writer.write(agent_protocol.string(await self.answer(message)))
                    await writer.drain()

    async def answer(self, message: bytes) -> bytes:
        """Return the answer to one message; a failure says nothing about its cause, the log does."""
        request = agent_protocol.parse_request(message)
        try:
            if isinstance(request, ListKeys):
                keys = (await self._opened()).of_scope(self._scope)
                return agent_protocol.identities_answer([(key.public_blob, key.comment) for key in keys])
            if isinstance(request, Sign):
                return await self._sign(request)
        except (VaultError, AuditError) as error:
            _log.warning("ssh agent: %s", error.message)
        return FAILURE

    async def _sign(self, request: Sign) -> bytes:
        from terok_sandbox.vault.ssh.keys import fingerprint, sign

        der = (await self._opened()).private_der(self._scope, request.blob)
        if der is None:
            _log.warning("ssh agent: a key was asked for that this scope does not have")
            return FAILURE
        if request.sha1:
            _log.warning("ssh agent: a signature with SHA-1 was asked for and refused")
            return FAILURE
        self._record(fingerprint(request.blob))
        signature = await asyncio.to_thread(sign, der, request.data, request.flags)
        return FAILURE if signature is None else agent_protocol.sign_answer(signature)


class ContainerAgent:
    """Listens for one container and records each use of a key in its credential audit."""

    def __init__(self, access: VaultAccess, scope: str, container: str, audit_path: Path) -> None:
        self._audit = AuditLog(audit_path, container=container, durable=True)
        self._access = access
        self._scope = scope
        self._agent = SshAgent(self._opened, scope, self._record)
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

    async def _opened(self) -> SSHManager:
        refusal = await self._access.ready()
        if refusal is not None and refusal.reason != "routes_unusable":  # signing needs no routes
            raise VaultError(refusal.message, hint=refusal.hint)
        return SSHManager(self._access.database())


START_SECONDS: Final = 10.0


@contextmanager
def host_agent(cfg: SandboxConfig, scope: str) -> Iterator[Path]:
    """Serve the keys of `scope` while the block runs; the value is for SSH_AUTH_SOCK; raises VaultError."""
    with open_vault(cfg) as database, tempfile.TemporaryDirectory(prefix="terok-ssh-") as directory:
        keys = SSHManager(database)
        if not keys.of_scope(scope):
            hint = f"make one with `terok-sandbox ssh add {scope}`"
            raise VaultError(f"the vault has no SSH key of the scope {scope}", hint=hint)
        path = Path(directory) / "agent.sock"
        started: Future[asyncio.AbstractEventLoop] = Future()
        stop = asyncio.Event()

        async def opened() -> SSHManager:
            return keys

        agent = SshAgent(opened, scope, lambda _: None)

        async def serve() -> None:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
                path.chmod(0o600)
                listener.listen()
                door = Door("ssh-agent", MAX_CONNECTIONS)
                door.open(listener, agent.enter)
                started.set_result(asyncio.get_running_loop())
                await stop.wait()
                await door.close_connections()

        thread = threading.Thread(target=lambda: asyncio.run(serve()), name="ssh-agent", daemon=True)
        thread.start()
        try:
            loop = started.result(START_SECONDS)
        except TimeoutError as error:
            raise VaultError(f"the SSH agent could not listen on {path}") from error
        try:
            yield path
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(START_SECONDS)
