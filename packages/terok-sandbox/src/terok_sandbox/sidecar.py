"""The sidecar: one 0600 JSON file per container that wires it to its supervisor.

It is written before the launch, survives stop, and is removed with the container. It holds no secret: the gate token is
there as a SHA-256, the vault passphrase as the path of the session file.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, Final, get_args

from terok_util import TerokError, read_private, write_sensitive_file
from terok_util.sha256 import sha256
from terok_util.values import lean_dataclass

from terok_sandbox.errors import SidecarError, VaultError
from terok_sandbox.values.launch import Enforcement, Network, Planned
from terok_sandbox.values.limits import NO_LIMITS, Limits, OnLimit
from terok_sandbox.values.names import is_plain

SCHEMA: Final = 1
MAX_SIZE: Final = 1024 * 1024
VAULT_AUDIT: Final = "vault-audit.jsonl"
"""Audit log of a container's credentials, in its state directory; those of its gateway are in the gateway's."""
SHIELD_AUDIT: Final = "shield-audit.jsonl"
GATE_AUDIT: Final = "gate-audit.jsonl"


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
    on_limit: OnLimit = "refuse"
    day_limits: Limits = NO_LIMITS


@lean_dataclass(frozen=True, slots=True)
class VaultWiring:
    """Files of the broker; `passphrase_file` is the session file on tmpfs, with `None` other tiers are tried.

    Without `usage` nothing is counted or limited. `ssh_scope` is the one whose SSH keys the container may sign with.
    """

    db_path: Path
    routes_path: Path
    audit_path: Path
    passphrase_file: Path | None = None
    usage: UsageWiring | None = None
    ssh_scope: str | None = None


@lean_dataclass(frozen=True, slots=True)
class GateWiring:
    """One bare mirror, served as `/<name>.git` for the token; the class `online` sees its `upstream` too."""

    mirror: Path
    name: str
    token_sha256: str
    upstream: str | None = None

    @classmethod
    def for_token(cls, mirror: Path, name: str, token: str, upstream: str | None = None) -> GateWiring:
        """Return the wiring for a gate token in clear, which stays out of it."""
        digest = sha256(token.encode()).hexdigest()
        return cls(mirror=mirror, name=name, token_sha256=digest, upstream=upstream)


@lean_dataclass(frozen=True, slots=True)
class ShieldWiring:
    """How egress is enforced, by what policy, and where each decision is recorded."""

    enforcement: Enforcement
    audit_path: Path
    tiers: PolicyTiers
    resolvers: tuple[str, ...] = ()
    """Name servers to ask, `address` or `address:port`; without any the host's own are asked."""
    unasked: tuple[str, ...] = ()
    """Names about which nobody is asked while nothing opens them."""


@lean_dataclass(frozen=True, slots=True)
class HostPorts:
    """Ports of the host's loopback on which vault and gate are served too, for guests with a network of their own."""

    vault: int
    gate: int


@lean_dataclass(frozen=True, slots=True)
class Sidecar:
    """Everything a supervisor knows about its container.

    `version` is the package version that wrote the file. `loopback_ports` are TCP ports of the host's loopback that the
    container reaches at its own. `mounts` are the sources of its volumes, each with its real path at the launch: a
    start with another one is refused, for what a container can write it can exchange for a link. With the `network`
    `None` its supervisor opens no way out. `planned` is what its configuration is compared with.
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
        sidecar: Sidecar = _read(cls, document, "sidecar")
        gate = sidecar.gate
        if not is_plain(sidecar.container_name):
            raise SidecarError(f"invalid container name {sidecar.container_name[:80]!r}", hint=_RELAUNCH)
        if gate and not (re.fullmatch(_MIRROR_NAME, gate.name) and re.fullmatch(r"[0-9a-f]{64}", gate.token_sha256)):
            raise SidecarError("gate: invalid name or token digest", hint=_RELAUNCH)
        return sidecar

    def save(self, path: Path, *, durable: bool = True) -> None:
        """Write the file at `path`, mode 0600, atomically; without `durable` it may not be on disk yet."""
        try:
            write_sensitive_file(path, self.to_json(), durable=durable)
        except (OSError, TerokError) as error:
            raise SidecarError(f"{path}: cannot write the sidecar: {error}") from error

    @classmethod
    def load(cls, path: Path) -> Sidecar:
        """Read the file at `path`; SidecarError for all but a private file with the container's own sidecar."""
        try:
            sidecar = cls.from_json(read_private(path, MAX_SIZE))
        except FileNotFoundError as error:
            raise SidecarError(f"{path}: no such sidecar", hint=_RELAUNCH) from error
        except OSError as error:
            raise SidecarError(f"{path}: cannot use the sidecar: {error.strerror}", hint=_RELAUNCH) from error
        except SidecarError as error:
            raise SidecarError(f"{path}: {error.message}", hint=error.hint) from error
        if path.name != f"{sidecar.container_name}.json":
            raise SidecarError(f"{path}: is the sidecar of {sidecar.container_name!r}", hint=_RELAUNCH)
        return sidecar


_RELAUNCH: Final = "remove the container with `terok-sandbox rm NAME` and launch it again"
_MIRROR_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,127}"


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and "\0" not in value and len(value) <= 4096


def _is_path(value: Any) -> bool:
    return _is_text(value) and Path(value).is_absolute() and ".." not in Path(value).parts


def _is_port(value: Any) -> bool:
    return type(value) is int and 0 < value < 65536


def _are(check: Callable[[Any], bool], length: int | None = None) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, list) and length in (None, len(value)) and all(map(check, value))


def _is_line(value: Any) -> bool:
    return isinstance(value, str)


def _rows(value: list[list[str]]) -> tuple[tuple[str, ...], ...]:
    return tuple(map(tuple, value))


_KINDS: Final[dict[str, tuple[Callable[[Any], bool], Callable[[Any], Any], str]]] = {
    "str": (_is_text, str, "not a text"),
    "Path": (_is_path, Path, "not an absolute path"),
    "bool": (lambda value: type(value) is bool, bool, "neither true nor false"),
    "int": (_is_port, int, "not a port number"),
    "float": (lambda value: type(value) in (int, float) and 0 <= value < 1e12, lambda value: value, "not a time"),
    "Enforcement": (lambda value: value in get_args(Enforcement), str, "neither filter nor airlock"),
    "OnLimit": (lambda value: value in get_args(OnLimit), str, "neither refuse nor hold"),
    "Network": (lambda value: value in get_args(Network), str, "not a known program"),
    "tuple[str, ...]": (_are(_is_line), tuple, "not a list of lines"),
    "tuple[int, ...]": (_are(_is_port), tuple, "not a list of port numbers"),
    "tuple[tuple[str, str], ...]": (_are(_are(_is_line, 2)), _rows, "not a list of pairs"),
    "tuple[tuple[str, str, str], ...]": (_are(_are(_is_line, 3)), _rows, "not a list of sources and destinations"),
}
"""How a field is checked, made and complained about, by its annotation."""
_SHAPES: Final[dict[str, type[Any]]] = {
    shape.__name__: shape
    for shape in (VaultWiring, UsageWiring, Limits, GateWiring, ShieldWiring, PolicyTiers, HostPorts, Planned)
}
_ADDED: Final = {
    "Sidecar": {"loopback_ports", "host_ports", "mounts", "network", "planned"},
    "VaultWiring": {"usage", "ssh_scope"},
    "UsageWiring": {"on_limit", "day_limits"},
    "GateWiring": {"upstream"},
    "ShieldWiring": {"resolvers", "unasked"},
}
"""Fields that sidecars of earlier versions do not have."""


def _read(shape: type[Any], raw: Any, where: str) -> Any:
    """Return the value of class `shape` that a JSON object describes; raises SidecarError."""
    annotations = {field.name: str(field.type) for field in fields(shape)}
    if not isinstance(raw, dict) or set(raw) | _ADDED.get(shape.__name__, set()) != set(annotations):
        raise SidecarError(f"{where}: keys are missing or unknown", hint=_RELAUNCH)
    if shape is Limits:
        try:
            return Limits.parse(raw, where)
        except VaultError as error:
            raise SidecarError(error.message, hint=_RELAUNCH) from error
    values: dict[str, Any] = {}
    for name, value in raw.items():
        kind = annotations[name].removesuffix(" | None")
        if value is None and kind != annotations[name]:
            values[name] = None
        elif kind in _SHAPES:
            values[name] = _read(_SHAPES[kind], value, name)
        else:
            check, make, problem = _KINDS[kind]
            if not check(value):
                raise SidecarError(f"{where}: {name} is {problem}", hint=_RELAUNCH)
            values[name] = make(value)
    return shape(**values)
