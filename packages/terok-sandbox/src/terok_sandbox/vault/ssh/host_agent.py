"""The vault's SSH keys for programs of the host: an agent on an owner-only socket, as long as a block lasts."""

from __future__ import annotations

import asyncio
import socket
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from terok_util.door import Door

from terok_sandbox.vault.errors import VaultError
from terok_sandbox.vault.ssh.agent import MAX_CONNECTIONS, SshAgent
from terok_sandbox.vault.ssh.store import KeyRow, SSHManager
from terok_sandbox.vault.unlock import open_vault

if TYPE_CHECKING:
    from collections.abc import Iterator

    from terok_sandbox.config import SandboxConfig
    from terok_sandbox.vault.store import CredentialDB

START_SECONDS: Final = 10.0


class _Ring:
    def __init__(self, database: CredentialDB, scope: str) -> None:
        self._keys, self._scope = SSHManager(database), scope

    async def keys(self) -> list[KeyRow]:
        return self._keys.of_scope(self._scope)

    async def private_der(self, public_blob: bytes) -> bytes | None:
        return self._keys.private_der(self._scope, public_blob)


@contextmanager
def host_agent(cfg: SandboxConfig, scope: str) -> Iterator[Path]:
    """Serve the keys of `scope` while the block runs; the value is for SSH_AUTH_SOCK.

    Raises:
        VaultError: the vault does not open or has no key of the scope, or the socket cannot be made.

    """
    with open_vault(cfg) as database, tempfile.TemporaryDirectory(prefix="terok-ssh-") as directory:
        if not SSHManager(database).of_scope(scope):
            hint = f"make one with `terok-sandbox ssh add {scope}`"
            raise VaultError(f"the vault has no SSH key of the scope {scope}", hint=hint)
        path = Path(directory) / "agent.sock"
        loop = asyncio.new_event_loop()
        started, stop = threading.Event(), asyncio.Event()
        agent = SshAgent(_Ring(database, scope), lambda _: None)

        async def serve() -> None:
            with socket.socket(socket.AF_UNIX) as listener:
                listener.bind(str(path))
                path.chmod(0o600)
                listener.listen()
                door = Door("ssh-agent", MAX_CONNECTIONS)
                door.open(listener, agent.enter)
                started.set()
                await stop.wait()
                await door.close_connections()

        thread = threading.Thread(target=lambda: _run(loop, serve()), name="ssh-agent", daemon=True)
        thread.start()
        if not started.wait(START_SECONDS):
            raise VaultError(f"the SSH agent could not listen on {path}")
        try:
            yield path
        finally:
            loop.call_soon_threadsafe(stop.set)
            thread.join(START_SECONDS)


def _run(loop: asyncio.AbstractEventLoop, main: object) -> None:
    try:
        loop.run_until_complete(main)  # type: ignore[arg-type]
        for task in asyncio.all_tasks(loop):
            task.cancel()
        loop.run_until_complete(asyncio.sleep(0))
        loop.run_until_complete(loop.shutdown_default_executor())
    finally:
        loop.close()
