"""The way into a microVM: SSH over a port that Podman publishes on the host's loopback.

`podman exec` reaches the process that runs the virtual machine, not the guest in it.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

from terok_util import TerokError, atomic_write, ensure_dir, write_sensitive_file
from terok_util.process import find_tool

from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import EngineError, LaunchError
from terok_sandbox.runtime.engine import ask
from terok_sandbox.sidecar import Sidecar
from terok_sandbox.vault_addr import GUEST_SSH_PORT, LOOPBACK_GATE_PORT, LOOPBACK_HOST, LOOPBACK_VAULT_PORT

GUEST_USER: Final = "dev"
CONNECT_TIMEOUT: Final = 10  # seconds a connection to the guest may take
_ALIAS: Final = "terok-guest"


class GuestEndpoint(NamedTuple):
    """Where a guest's SSH server is reached from the host."""

    host: str
    port: int


@dataclass(frozen=True, slots=True)
class GuestKeys:
    """Keys to log in with (`identity`, `authorized_keys`) and the guest's own, known before we connect."""

    directory: Path

    @property
    def identity(self) -> Path:
        """The private key that logs in."""
        return self.directory / "identity"

    @property
    def known_hosts(self) -> Path:
        """The guest's public key, under the one name it is ever asked for by."""
        return self.directory / "known_hosts"

    @property
    def authorized_keys(self) -> Path:
        """The public key that the guest accepts."""
        return self.directory / "guest" / "authorized_keys"

    @property
    def host_key(self) -> Path:
        """The guest's private key."""
        return self.directory / "guest" / "ssh_host_ed25519_key"

    def connection(self, endpoint: GuestEndpoint) -> str:
        """Return where the socket of the one connection to `endpoint` is, which commands share; it has no quotes."""
        return str(self.directory / f"c{endpoint.port}")

    @classmethod
    def make(cls, directory: Path) -> GuestKeys:
        """Make new keys below `directory`; raises LaunchError when they cannot be written."""
        keys = cls(directory)
        try:
            ensure_dir(directory)
            ensure_dir(keys.host_key.parent)
            mine, guest = _key_pair(), _key_pair()
            write_sensitive_file(keys.identity, mine[0])
            write_sensitive_file(keys.host_key, guest[0])
            atomic_write(keys.authorized_keys, f"{mine[1]}\n", mode=0o600)
            atomic_write(keys.known_hosts, f"{_ALIAS} {guest[1]}\n", mode=0o600)
        except (OSError, TerokError) as error:
            raise LaunchError(f"{directory}: the guest's keys cannot be written: {error}") from error
        return keys


class SshTransport:
    """SSH with one key, to a guest whose key is known; `resolve` finds the endpoint of a container."""

    def __init__(
        self,
        keys: GuestKeys,
        *,
        resolve: Callable[[str], GuestEndpoint] | None = None,
        user: str = GUEST_USER,
        workdir: str = "/workspace",
        forwards: Callable[[str], Mapping[int, int]] | None = None,
    ) -> None:
        self._keys = keys
        self._resolve = resolve or published_endpoint
        self._user = user
        self._workdir = workdir
        self._forwards = forwards or (lambda container: {})

    def argv(
        self, container: str, command: Sequence[str], *, tty: bool = False, env: Mapping[str, str] | None = None
    ) -> list[str]:
        """Return the `ssh` command, whose exit code is the command's; no setting or key of the user takes part."""
        endpoint = self._resolve(container)
        options = {
            "BatchMode": "yes",
            "ClearAllForwardings": "yes",
            "ConnectTimeout": str(CONNECT_TIMEOUT),
            "GlobalKnownHostsFile": "/dev/null",
            "HostKeyAlias": _ALIAS,
            "IdentitiesOnly": "yes",
            "IdentityAgent": "none",
            "LogLevel": "ERROR",
            "StrictHostKeyChecking": "yes",
            "UserKnownHostsFile": str(self._keys.known_hosts),
        }
        inward = []
        if ports := self._forwards(container):  # one connection, for as long as the guest is there, carries them all
            shared = {"ControlMaster": "auto", "ControlPersist": "yes", "ControlPath": self._keys.connection(endpoint)}
            options |= {"ClearAllForwardings": "no", **shared}
            ends = [f"{LOOPBACK_HOST}:{inside}:{LOOPBACK_HOST}:{outside}" for inside, outside in ports.items()]
            inward = [word for end in ends for word in ("-R", end)]
        return [
            find_tool("ssh"),
            *("-F", "none", *inward, "-i", str(self._keys.identity), "-p", str(endpoint.port), "-tt" if tty else "-T"),
            *(word for name, value in options.items() for word in ("-o", f"{name}={value}")),
            *("--", f"{self._user}@{endpoint.host}", self._remote(command, env or {})),
        ]

    def _remote(self, command: Sequence[str], env: Mapping[str, str]) -> str:
        settings = [f"{name}={value}" for name, value in env.items()]
        words = ["env", *settings, *command] if settings else list(command)
        return f"cd {shlex.quote(self._workdir)} && exec {shlex.join(words)}"


def service_ports(config: SandboxConfig) -> Callable[[str], dict[int, int]]:
    """Return what maps the service ports in a guest to those of this host, none without `services_mode` `tcp`."""

    def find(container: str) -> dict[int, int]:
        sidecar = Sidecar.load(config.sidecar_path(container))
        if sidecar.host_ports is None:
            return {}
        vault = {} if sidecar.vault is None else {LOOPBACK_VAULT_PORT: sidecar.host_ports.vault}
        return vault | ({} if sidecar.gate is None else {LOOPBACK_GATE_PORT: sidecar.host_ports.gate})

    return find


def published_endpoint(container: str) -> GuestEndpoint:
    """Return where Podman published the guest's SSH port; EngineError when it did not."""
    completed = ask(["port", container, f"{GUEST_SSH_PORT}/tcp"], container=container)
    return read_endpoint(completed.text, container)


def read_endpoint(text: str, container: str) -> GuestEndpoint:
    """Return the loopback endpoint among the lines `ADDRESS:PORT` of `podman port`."""
    for line in text.splitlines():
        host, _, port = line.strip().rpartition(":")
        if host == "127.0.0.1" and port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536:
            return GuestEndpoint(host, int(port))
    raise EngineError(f"the guest of {container} has no SSH port on this host's loopback")


def _key_pair() -> tuple[bytes, str]:
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    key = Ed25519PrivateKey.generate()
    private = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption()
    )
    public = key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH)
    return private, public.decode()
