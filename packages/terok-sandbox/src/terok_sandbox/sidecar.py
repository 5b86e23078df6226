"""The sidecar: one 0600 JSON file per container that wires it to its supervisor.

It is written before the launch, survives stop, and is removed with the container. It holds no secret: the gate token is
there as a SHA-256, the vault passphrase as the path of the session file.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import stat
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final, get_args

from terok_util import TerokError, write_sensitive_file
from terok_util.values import lean_dataclass

from terok_sandbox.errors import SidecarError, VaultError
from terok_sandbox.values.launch import Enforcement, Network, Planned
from terok_sandbox.values.limits import NO_LIMITS, Limits
from terok_sandbox.values.names import is_plain

SCHEMA: Final = 1
MAX_SIZE: Final = 1024 * 1024


@lean_dataclass(frozen=True, slots=True)
class PolicyTiers:
    """Raw policy lines (`+ host:443 %reason=…`) by tier, strongest tier first."""

    override: tuple[str, ...] = ()
    security_deny: tuple[str, ...] = ()
    provider_allow: tuple[str, ...] = ()
    project_allow: tuple[str, ...] = ()


@lean_dataclass(frozen=True, slots=True)
class UsageWiring:
    """Where usage is written down and what limits it.

    `task` names this launch among all of the container's name, `started` is when it was (seconds since the epoch).
    `prices` are the user's own prices, if the file exists.
    """

    journal: Path
    task: str
    started: float
    prices: Path | None = None
    task_limits: Limits = NO_LIMITS
    project_limits: Limits = NO_LIMITS


@lean_dataclass(frozen=True, slots=True)
class VaultWiring:
    """The broker's wiring; `passphrase_file` is the tmpfs session file, `None` leaves other tiers to be tried.

    Without `usage` nothing is counted or limited. `ssh_scope` names the scope whose SSH keys the container may sign
    with. Sidecars written before there were these fields have neither.
    """

    db_path: Path
    routes_path: Path
    audit_path: Path
    passphrase_file: Path | None = None
    usage: UsageWiring | None = None
    ssh_scope: str | None = None


@lean_dataclass(frozen=True, slots=True)
class GateWiring:
    """One bare mirror, served as `/<name>.git` to whoever knows the token with SHA-256 `token_sha256` (hex).

    `upstream` is the address that a container of the class `online` sees beside the gate; the class
    `gatekeeping` has none.
    """

    mirror: Path
    name: str
    token_sha256: str
    upstream: str | None = None

    @classmethod
    def for_token(cls, mirror: Path, name: str, token: str, upstream: str | None = None) -> GateWiring:
        """Return the wiring for a gate token in clear, which stays out of it."""
        digest = hashlib.sha256(token.encode()).hexdigest()
        return cls(mirror=mirror, name=name, token_sha256=digest, upstream=upstream)


@lean_dataclass(frozen=True, slots=True)
class ShieldWiring:
    """How egress is enforced, by what policy, and where each decision is recorded."""

    enforcement: Enforcement
    audit_path: Path
    tiers: PolicyTiers
    resolvers: tuple[str, ...] = ()
    """Name servers to ask, `address` or `address:port`; without any the host's own are asked."""


@lean_dataclass(frozen=True, slots=True)
class HostPorts:
    """Ports of the host's loopback on which vault and gate are served too, for guests with a network of their own."""

    vault: int
    gate: int


@lean_dataclass(frozen=True, slots=True)
class Sidecar:
    """Everything a supervisor knows about its container.

    `runtime_dir` and `state_dir` are the container's own directories; `version` is the package version that wrote
    the file. `loopback_ports` are TCP ports of the host's loopback that the container reaches at its own. `mounts`
    are the sources of its volumes, each with its real path at the launch: a start with another one is refused, for what
    a container can write it can exchange for a link. `network` is the program that connects the container once it is
    supervised; with `None` its supervisor opens no way out. `planned` is what its configuration is compared with.
    Sidecars written before there were ports, mounts, a network or a plan have none.
    """

    schema: int
    version: str
    container_name: str
    scope: str
    runtime_dir: Path
    state_dir: Path
    vault: VaultWiring | None
    gate: GateWiring | None
    shield: ShieldWiring
    loopback_ports: tuple[int, ...] = ()
    host_ports: HostPorts | None = None
    mounts: tuple[tuple[str, str], ...] = ()
    network: Network | None = None
    planned: Planned | None = None

    @property
    def gateway_dir(self) -> Path:
        """Directory of the packet and name audit, live verdicts and requests: all that the gateway keeps."""
        return self.shield.audit_path.parent

    def to_json(self) -> str:
        """Return the file's text."""
        return json.dumps(asdict(self), indent=1, default=str) + "\n"

    @classmethod
    def from_json(cls, data: bytes | str) -> Sidecar:
        """Parse the file's text; raises `SidecarError` for anything but a complete sidecar of this schema."""
        try:
            document = json.loads(data)
        except (ValueError, RecursionError) as error:
            raise SidecarError("the sidecar is not JSON", hint=_RELAUNCH) from error
        if not isinstance(document, dict) or type(schema := document.get("schema")) is not int:
            raise SidecarError("the sidecar has no schema number", hint=_RELAUNCH)
        if schema > SCHEMA:
            raise SidecarError(
                f"the sidecar has schema {schema}, this program knows up to {SCHEMA}",
                hint="use the newer terok-sandbox that launched the container",
            )
        if schema != SCHEMA:
            raise SidecarError(f"the sidecar has schema {schema}, {SCHEMA} is needed", hint=_RELAUNCH)
        return _sidecar(document)

    def save(self, path: Path, *, durable: bool = True) -> None:
        """Write the file at `path`, mode 0600, atomically; without `durable` it may not be on disk yet."""
        try:
            write_sensitive_file(path, self.to_json(), durable=durable)
        except (OSError, TerokError) as error:
            raise SidecarError(f"{path}: cannot write the sidecar: {error}") from error

    @classmethod
    def load(cls, path: Path) -> Sidecar:
        """Read the file at `path`.

        Refuses (`SidecarError`) a symlink, anything but a regular file, a foreign owner, permissions for group
        or others, more than 1 MiB, a name that is not the container's, and another schema.
        """
        try:
            sidecar = cls.from_json(_read_private(path))
        except SidecarError as error:
            raise SidecarError(f"{path}: {error.message}", hint=error.hint) from error
        if path.name != f"{sidecar.container_name}.json":
            raise SidecarError(f"{path}: is the sidecar of {sidecar.container_name!r}", hint=_RELAUNCH)
        return sidecar


_RELAUNCH: Final = "remove the container with `terok-sandbox rm NAME` and launch it again"


def _read_private(path: Path) -> bytes:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC | os.O_NONBLOCK)
    except FileNotFoundError as error:
        raise SidecarError("no such sidecar", hint=_RELAUNCH) from error
    except OSError as error:
        raise SidecarError(f"cannot open the sidecar: {error.strerror}", hint=_RELAUNCH) from error
    with os.fdopen(descriptor, "rb") as file:
        info = os.fstat(descriptor)
        if not stat.S_ISREG(info.st_mode):
            raise SidecarError("not a regular file", hint=_RELAUNCH)
        if info.st_uid != os.geteuid():
            raise SidecarError(f"belongs to uid {info.st_uid}, not to this user", hint=_RELAUNCH)
        if info.st_mode & 0o077:
            raise SidecarError(f"mode {info.st_mode & 0o777:04o} lets others in, 0600 is needed", hint=_RELAUNCH)
        data = file.read(MAX_SIZE + 1)
    if len(data) > MAX_SIZE:
        raise SidecarError("larger than 1 MiB", hint=_RELAUNCH)
    return data


def _sidecar(raw: dict[str, Any]) -> Sidecar:
    _keys(raw, Sidecar, "sidecar", optional={"loopback_ports", "host_ports", "mounts", "network", "planned"})
    name = _text(raw, "container_name")
    if not is_plain(name):
        raise SidecarError(f"container_name: invalid name {name[:80]!r}", hint=_RELAUNCH)
    vault, gate = raw["vault"], raw["gate"]
    return Sidecar(
        schema=SCHEMA,
        version=_text(raw, "version"),
        container_name=name,
        scope=_text(raw, "scope"),
        runtime_dir=_path(raw, "runtime_dir"),
        state_dir=_path(raw, "state_dir"),
        vault=None if vault is None else _vault(_keys(vault, VaultWiring, "vault", optional={"usage", "ssh_scope"})),
        gate=None if gate is None else _gate(_keys(gate, GateWiring, "gate", optional={"upstream"})),
        shield=_shield(_keys(_with_resolvers(raw["shield"]), ShieldWiring, "shield")),
        loopback_ports=_ports(raw.get("loopback_ports", [])),
        host_ports=_host_ports(raw.get("host_ports")),
        mounts=_mounts(raw.get("mounts", [])),
        network=_network(raw.get("network")),
        planned=None if raw.get("planned") is None else _planned(_keys(raw["planned"], Planned, "planned")),
    )


def _network(raw: Any) -> Network | None:
    if raw not in (None, *get_args(Network)):
        raise SidecarError("network: no program for it is known by this name", hint=_RELAUNCH)
    return raw  # type: ignore[no-any-return]


def _planned(raw: dict[str, Any]) -> Planned:
    flags = ("restricted", "user_namespace", "own_network", "labels")
    mounts = raw["mounts"]
    if not isinstance(mounts, list) or not all(
        isinstance(one, list) and [*map(type, one)] == [str] * 3 for one in mounts
    ):
        raise SidecarError("planned: mounts are not a list of sources and destinations", hint=_RELAUNCH)
    if any(type(raw[flag]) is not bool for flag in flags):
        raise SidecarError("planned: a flag is neither true nor false", hint=_RELAUNCH)
    return Planned(
        hostname=_text(raw, "hostname"),
        mounts=tuple((source, destination, mode) for source, destination, mode in mounts),
        env=None if raw["env"] is None else _lines(raw, "env"),
        capabilities=_lines(raw, "capabilities"),
        devices=_lines(raw, "devices"),
        image_stores=_lines(raw, "image_stores"),
        **{flag: raw[flag] for flag in flags},
    )


def _mounts(raw: Any) -> tuple[tuple[str, str], ...]:
    if not isinstance(raw, list) or not all(isinstance(one, list) and [*map(type, one)] == [str, str] for one in raw):
        raise SidecarError("mounts: not a list of paths", hint=_RELAUNCH)
    return tuple((source, real) for source, real in raw)


def _host_ports(raw: Any) -> HostPorts | None:
    if raw is None:
        return None
    vault, gate = _ports([_keys(raw, HostPorts, "host_ports")[name] for name in ("vault", "gate")])
    return HostPorts(vault, gate)


def _ports(raw: object) -> tuple[int, ...]:
    if not isinstance(raw, list) or not all(type(port) is int and 0 < port < 65536 for port in raw):
        raise SidecarError("ports: not a list of port numbers", hint=_RELAUNCH)
    return tuple(raw)


def _vault(raw: dict[str, Any]) -> VaultWiring:
    return VaultWiring(
        db_path=_path(raw, "db_path"),
        routes_path=_path(raw, "routes_path"),
        audit_path=_path(raw, "audit_path"),
        passphrase_file=None if raw["passphrase_file"] is None else _path(raw, "passphrase_file"),
        ssh_scope=None if raw.get("ssh_scope") is None else _text(raw, "ssh_scope"),
        usage=None if raw.get("usage") is None else _usage(_keys(raw["usage"], UsageWiring, "usage")),
    )


def _usage(raw: dict[str, Any]) -> UsageWiring:
    if type(raw["started"]) not in (int, float) or not 0 <= raw["started"] < 1e12:
        raise SidecarError("usage: started is not a time", hint=_RELAUNCH)
    try:
        limits = [Limits.parse(_keys(raw[key], Limits, key), key) for key in ("task_limits", "project_limits")]
    except VaultError as error:
        raise SidecarError(error.message, hint=_RELAUNCH) from error
    return UsageWiring(
        journal=_path(raw, "journal"),
        task=_text(raw, "task"),
        started=raw["started"],
        prices=None if raw["prices"] is None else _path(raw, "prices"),
        task_limits=limits[0],
        project_limits=limits[1],
    )


def _gate(raw: dict[str, Any]) -> GateWiring:
    name, digest = _text(raw, "name"), _text(raw, "token_sha256")
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}", name) or not re.fullmatch(r"[0-9a-f]{64}", digest):
        raise SidecarError("gate: unusable name or token digest", hint=_RELAUNCH)
    upstream = None if raw.get("upstream") is None else _text(raw, "upstream")
    return GateWiring(mirror=_path(raw, "mirror"), name=name, token_sha256=digest, upstream=upstream)


def _with_resolvers(raw: object) -> object:
    return {"resolvers": [], **raw} if isinstance(raw, dict) else raw


def _shield(raw: dict[str, Any]) -> ShieldWiring:
    enforcement = raw["enforcement"]
    if enforcement not in ("filter", "airlock"):
        raise SidecarError("shield: enforcement is neither filter nor airlock", hint=_RELAUNCH)
    tiers = _keys(raw["tiers"], PolicyTiers, "tiers")
    return ShieldWiring(
        enforcement=enforcement,
        audit_path=_path(raw, "audit_path"),
        tiers=PolicyTiers(**{tier: _lines(tiers, tier) for tier in tiers}),
        resolvers=_lines(raw, "resolvers"),
    )


def _keys(
    raw: object, shape: type[Any], where: str, optional: frozenset[str] | set[str] = frozenset()
) -> dict[str, Any]:
    if not isinstance(raw, dict) or set(raw) | optional != set(shape.__slots__):
        raise SidecarError(f"{where}: keys are missing or unknown", hint=_RELAUNCH)
    return raw


def _text(raw: dict[str, Any], key: str) -> str:
    value = raw[key]
    if not isinstance(value, str) or "\0" in value or len(value) > 4096:
        raise SidecarError(f"{key}: not a text", hint=_RELAUNCH)
    return value


def _path(raw: dict[str, Any], key: str) -> Path:
    path = Path(_text(raw, key))
    if not path.is_absolute() or ".." in path.parts:
        raise SidecarError(f"{key}: not an absolute path", hint=_RELAUNCH)
    return path


def _lines(raw: dict[str, Any], key: str) -> tuple[str, ...]:
    value = raw[key]
    if not isinstance(value, list) or not all(isinstance(line, str) for line in value):
        raise SidecarError(f"{key}: not a list of lines", hint=_RELAUNCH)
    return tuple(value)
