"""An ssh-agent that lists and signs: bounded connections, messages and waiting; every signature is recorded first."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Final, Protocol

from terok_sandbox.errors import AuditError
from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.ssh import wire
from terok_sandbox.vault.ssh.wire import FAILURE, MAX_MESSAGE, ListKeys, Sign

if TYPE_CHECKING:
    from collections.abc import Callable

    from terok_sandbox.vault.ssh.store import KeyRow

_log = logging.getLogger(__name__)

MAX_CONNECTIONS: Final = 32
IDLE_SECONDS: Final = 600.0


class KeyRing(Protocol):
    """The keys one agent may use, asked anew for each message."""

    async def keys(self) -> list[KeyRow]:
        """Return the keys, default first."""

    async def private_der(self, public_blob: bytes) -> bytes | None:
        """Return the private half of one of them."""


class Agent:
    """Serves connections. `record` is told the fingerprint before a signature is given, and may raise AuditError."""

    def __init__(self, ring: KeyRing, record: Callable[[str], None]) -> None:
        self._ring = ring
        self._record = record
        self._open: dict[asyncio.StreamWriter, bool] = {}
        """Whether a connection waits for its next message; the one that has waited for longest first."""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one connection until it ends, misbehaves, is idle for too long, or another needs its place."""
        if not self._make_room():
            writer.close()
            return
        try:
            while True:
                self._open.pop(writer, None)
                self._open[writer] = True
                async with asyncio.timeout(IDLE_SECONDS):
                    length = int.from_bytes(await reader.readexactly(4), "big")
                    if not 0 < length <= MAX_MESSAGE:
                        return
                    message = await reader.readexactly(length)
                    self._open[writer] = False
                    writer.write(wire.framed(await self.answer(message)))
                    await writer.drain()
        except (asyncio.IncompleteReadError, TimeoutError, ConnectionError):
            return
        finally:
            self._open.pop(writer, None)
            writer.close()

    def _make_room(self) -> bool:
        """Close the connection that has waited for longest where there are as many as there may be."""
        if len(self._open) < MAX_CONNECTIONS:
            return True
        idle = next((writer for writer, waits in self._open.items() if waits), None)
        if idle is None:
            return False
        del self._open[idle]
        idle.transport.abort()
        return True

    async def answer(self, message: bytes) -> bytes:
        """Return the answer to one message; a failure says nothing about its cause, the log does."""
        request = wire.parse_request(message)
        try:
            if isinstance(request, ListKeys):
                keys = await self._ring.keys()
                return wire.identities_answer([(key.public_blob, key.comment) for key in keys])
            if isinstance(request, Sign):
                return await self._sign(request)
        except (VaultError, AuditError) as exc:
            _log.warning("ssh agent: %s", exc.message)
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
        return FAILURE if signature is None else wire.sign_answer(signature)
