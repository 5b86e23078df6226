"""Find the credentials for a mirror's upstream: in the vault, or with the agent that its record names."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

from terok_util import TerokError

from terok_sandbox.gate.credentials import HttpsLogin, UpstreamAccess
from terok_sandbox.gate.errors import NoCredential
from terok_sandbox.gate.layout import MirrorRecord

_SET = "default"
_USERS = {"gitlab.com": "oauth2", "github.com": "x-access-token", "bitbucket.org": "x-token-auth"}
"""User names that forges want beside a token; others take any."""


def access_for(record: MirrorRecord, base: Path) -> UpstreamAccess:
    """Return how the upstream of `record` is spoken to; nothing is opened before it is needed."""
    return UpstreamAccess(
        known_hosts=base.absolute() / "known_hosts",
        https=_vault_login(record.credential) if record.credential else lambda _: None,
        ssh_agent=_agent(Path(record.ssh_agent)) if record.ssh_agent else _vault_agent(record.scope),
        personal_ssh=record.personal_ssh,
    )


def _vault_login(name: str) -> Callable[[str], HttpsLogin]:
    """Return a function that reads the credential `[SET/]PROVIDER` when an upstream asks for it."""

    def login(address: str) -> HttpsLogin:
        from terok_sandbox.config import SandboxConfig
        from terok_sandbox.vault.swap import credential_secret
        from terok_sandbox.vault.unlock import open_vault

        chosen, _, provider = name.rpartition("/")
        try:
            with open_vault(SandboxConfig()) as vault:
                data = vault.load_credential(chosen or _SET, provider)
        except TerokError as error:
            raise NoCredential(f"the token {name!r} cannot be read: {error.message}", hint=error.hint) from error
        _, secret = credential_secret(data or {})
        if not secret:
            raise NoCredential(
                f"the vault holds no credential {name!r}", hint=f"store it with 'terok-sandbox vault set {provider}'"
            )
        user = data.get("user") if data else None
        return HttpsLogin(str(user or _USERS.get(urlsplit(address).hostname or "", "token")), secret)

    return login


def _agent(socket: Path) -> Callable[[], contextlib.AbstractContextManager[Path]]:
    @contextlib.contextmanager
    def agent() -> Iterator[Path]:
        if not socket.is_socket():
            raise NoCredential(f"there is no ssh agent at {socket}", hint="start it, or name another")
        yield socket

    return agent


def _vault_agent(scope: str) -> Callable[[], contextlib.AbstractContextManager[Path]]:
    """Return what serves the scope's SSH keys out of the vault while git runs."""

    @contextlib.contextmanager
    def agent() -> Iterator[Path]:
        from terok_sandbox.config import SandboxConfig
        from terok_sandbox.vault.ssh.host_agent import host_agent

        with contextlib.ExitStack() as stack:
            try:
                socket = stack.enter_context(host_agent(SandboxConfig(), scope))
            except TerokError as error:
                raise NoCredential(
                    f"there is no key for the upstream: {error.message}",
                    hint=f"make one with 'terok-sandbox ssh add {scope}', or name an agent with --ssh-agent SOCKET, "
                    "or use --personal-ssh",
                ) from error
            yield socket

    return agent
