"""Find the credentials for an upstream, a token for https or keys for ssh, and give them to one git call.

Neither appears on a command line or in an environment: git reads the token from memory through an inherited
descriptor, and ssh asks an agent.
"""

from __future__ import annotations

import contextlib
import os
import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, Final
from urllib.parse import urlsplit

from terok_util import TerokError

from terok_sandbox.config import SandboxConfig
from terok_sandbox.gate.errors import NoCredential
from terok_sandbox.gate.invoke import GitCredentials
from terok_sandbox.gate.layout import MirrorRecord

_SSH_TIMEOUT: Final = 20


@dataclass(frozen=True, slots=True)
class HttpsLogin:
    """User name and token for an https upstream."""

    user: str
    token: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class UpstreamAccess:
    """Where credentials come from when an upstream is spoken to.

    `https` returns the login for an upstream's URL, or None for none. `ssh_agent` is a context manager that gives
    the path of an agent's socket. With `personal_ssh` the person's own ssh configuration and keys are used instead.
    `known_hosts` is the file that host keys are kept in.
    """

    known_hosts: Path
    https: Callable[[str], HttpsLogin | None] = lambda _: None
    ssh_agent: Callable[[], contextlib.AbstractContextManager[Path]] | None = None
    personal_ssh: bool = False


@contextlib.contextmanager
def credentials_for(address: str, kind: str, access: UpstreamAccess | None) -> Iterator[GitCredentials]:
    """Give what a git call to `address` needs; `NoCredential` for an ssh upstream without an agent."""
    if kind == "ssh":
        with _ssh(address, access) as shown:
            yield shown
    elif kind == "url" and access is not None and (login := access.https(address)) is not None:
        with _https(address, login) as shown:
            yield shown
    else:
        yield GitCredentials()


@contextlib.contextmanager
def _https(address: str, login: HttpsLogin) -> Iterator[GitCredentials]:
    if any(char in login.user + login.token for char in "\n\r\0"):
        raise NoCredential("the credential for the upstream contains a line break or NUL")
    url = urlsplit(address)
    memory = os.memfd_create("terok-gate-login", os.MFD_CLOEXEC)
    try:
        os.write(memory, f"username={login.user}\npassword={login.token}\n".encode())
        # Git offers it to this host only. Whoever opens the path reads the text from its start.
        helper = f'!f() {{ test "$1" != get || cat /proc/self/fd/{memory}; }}; f'
        key = f"credential.{url.scheme}://{url.netloc}.helper"
        yield GitCredentials({key: helper, "http.followRedirects": "false"}, pass_fds=(memory,))
    finally:
        os.close(memory)


@contextlib.contextmanager
def _ssh(address: str, access: UpstreamAccess | None) -> Iterator[GitCredentials]:
    if access is not None and access.personal_ssh:
        kept = {name: os.environ[name] for name in ("SSH_AUTH_SOCK", "HOME") if name in os.environ}
        yield GitCredentials(variables={**kept, **_ssh_command(["-o", "BatchMode=yes"])})
        return
    if access is None or access.ssh_agent is None:
        raise NoCredential(
            f"no ssh key for the upstream {address}",
            hint="name an agent with 'terok-sandbox gate access SCOPE --ssh-agent SOCKET' or use --personal-ssh",
        )
    with access.ssh_agent() as socket:
        options = {
            "IdentityAgent": str(socket),
            "IdentityFile": "none",
            "BatchMode": "yes",
            "StrictHostKeyChecking": "accept-new",
            "UserKnownHostsFile": str(access.known_hosts),
            "GlobalKnownHostsFile": "/dev/null",
            "UpdateHostKeys": "no",
            "PasswordAuthentication": "no",
            "KbdInteractiveAuthentication": "no",
            "ForwardAgent": "no",
            "ClearAllForwardings": "yes",
            "PermitLocalCommand": "no",
            "ControlPath": "none",
            "ConnectTimeout": str(_SSH_TIMEOUT),
            "ServerAliveInterval": str(_SSH_TIMEOUT),
        }
        words = (word for name, value in options.items() for word in ("-o", f"{name}={_quoted(value)}"))
        yield GitCredentials(variables=_ssh_command(["-F", "/dev/null", *words]))


def _ssh_command(words: list[str]) -> dict[str, str]:
    return {"GIT_SSH_COMMAND": shlex.join(["ssh", *words]), "GIT_SSH_VARIANT": "ssh"}


def _quoted(value: str) -> str:
    text = value.replace("%", "%%")
    return f'"{text}"' if " " in text else text


def access_for(record: MirrorRecord, base: Path, config: SandboxConfig | None = None) -> UpstreamAccess:
    """Return how to reach the upstream of `record`; the vault of `config` is opened only when it is needed."""
    return UpstreamAccess(
        known_hosts=base.absolute() / "known_hosts",
        https=lambda address: _login(record.credential, address, config) if record.credential else None,
        ssh_agent=lambda: _agent(record, config),
        personal_ssh=record.personal_ssh,
    )


@cache
def forges() -> Mapping[str, Mapping[str, Any]]:
    """Return what is known of each kind of forge."""
    return tomllib.loads(Path(__file__).with_name("forges.toml").read_text(encoding="utf-8"))


def _login(name: str, address: str, config: SandboxConfig | None) -> HttpsLogin:
    from terok_sandbox.vault.swap import credential_secret
    from terok_sandbox.vault.unlock import open_vault

    chosen, _, provider = name.rpartition("/")
    try:
        with open_vault(config or SandboxConfig.load()) as vault:
            data = vault.load_credential(chosen or "default", provider) or {}
    except TerokError as error:
        raise NoCredential(f"the token {name!r} cannot be read: {error.message}", hint=error.hint) from error
    _, secret = credential_secret(data)
    if not secret:
        raise NoCredential(
            f"the vault has no credential {name!r}", hint=f"store it with 'terok-sandbox vault set {provider}'"
        )
    users = {forge["host"]: forge["user"] for forge in forges().values()}
    return HttpsLogin(str(data.get("user") or users.get(urlsplit(address).hostname or "", "token")), secret)


@contextlib.contextmanager
def _agent(record: MirrorRecord, config: SandboxConfig | None) -> Iterator[Path]:
    from terok_sandbox.vault.ssh.agent import host_agent

    if record.ssh_agent:
        socket = Path(record.ssh_agent)
        if not socket.is_socket():
            raise NoCredential(f"no ssh agent listens at {socket}", hint="start it, or name another")
        yield socket
        return
    with contextlib.ExitStack() as stack:
        try:
            socket = stack.enter_context(host_agent(config or SandboxConfig.load(), record.scope))
        except TerokError as error:
            raise NoCredential(
                f"no ssh key for the upstream: {error.message}",
                hint=f"make one with 'terok-sandbox ssh add {record.scope}', or name an agent with --ssh-agent SOCKET, "
                "or use --personal-ssh",
            ) from error
        yield socket
