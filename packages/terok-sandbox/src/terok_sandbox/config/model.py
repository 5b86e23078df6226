"""SandboxConfig: every path and setting the sandbox uses, decided once."""

from __future__ import annotations

from dataclasses import field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal, Self

from terok_util import ensure_dir, namespace_config_dir, namespace_runtime_dir, namespace_state_dir
from terok_util.values import lean_dataclass

from terok_sandbox.errors import ConfigError, SandboxError
from terok_sandbox.values.limits import Budget, Limits
from terok_sandbox.values.names import PLAIN_HINT, is_plain

if TYPE_CHECKING:
    from terok_sandbox.values.launch import Enforcement, OptOut, SecurityClass


CONTROL_SOCKET: Final = "supervisor.sock"
RECORD_FILE: Final = "supervisor.json"
GUEST_DIR: Final = "guest"
ACTIVITY_DIR: Final = "activity"
FORKSERVER_SOCKET: Final = "forkserver.sock"
"""Below the runtime directory; the four above below a container's."""
SUPERVISOR_LOG: Final = "supervisor.log"
"""Below a container's state directory."""
DIRECTORIES: Final = ("state_dir", "runtime_dir", "vault_dir", "config_dir")
"""Fields of `SandboxConfig` that a program started for it is given."""
CACHE: Final = "cache"
"""Directory below the state directory for values that are computed again when it is removed."""


class _Below:
    """A path below one of the directories."""

    def __init__(self, directory: str, name: str) -> None:
        self._directory, self._name = directory, name

    def __get__(self, config: SandboxConfig, owner: type) -> Path:
        base: Path = getattr(config, self._directory)
        return base / self._name


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class SandboxConfig:
    """Directories, of the environment, and settings of one user's sandbox; `load` reads `config.yml` too."""

    state_dir: Path = field(default_factory=lambda: namespace_state_dir("sandbox", env_var="TEROK_SANDBOX_STATE_DIR"))
    """Durable state: hooks, sidecars, logs, mirrors."""
    runtime_dir: Path = field(
        default_factory=lambda: namespace_runtime_dir("sandbox", env_var="TEROK_SANDBOX_RUNTIME_DIR")
    )
    """Sockets and other files that a reboot may remove."""
    config_dir: Path = field(default_factory=namespace_config_dir)
    vault_dir: Path = field(default_factory=lambda: namespace_state_dir("vault", env_var="TEROK_VAULT_DIR"))
    """Credential database and routes."""
    services_mode: Literal["socket", "tcp"] = "socket"
    """With `tcp`, vault and gate are served on ports of the host's loopback too, and forwarded into microVMs."""
    shield_mode: Enforcement = "filter"
    """Egress enforcement of launches that do not choose."""
    shield_profiles: tuple[str, ...] = ()
    """Allowlist profiles of launches that name none."""
    shield_resolvers: tuple[str, ...] = ()
    """Name servers for containers, `address` or `address:port`; by default the host's."""
    credentials_passphrase_command: tuple[str, ...] | None = None
    """Argument vector of a program that prints the vault's passphrase."""
    budget: Budget = field(default_factory=Budget)
    """Limits on the usage of a task and of a project, unless a launch has its own."""
    security_class: SecurityClass = "gatekeeping"
    """Whether containers see their project's upstream beside the gate, for launches that do not choose."""
    shutdown_timeout: int = 10
    """Seconds until a container that is stopped is killed."""
    own_prices: str | None = None
    """File of the user's own prices, which has to exist then; `~` stands for the home directory."""
    seccomp_opt_outs: tuple[OptOut, ...] = ()
    """Parts of Podman's own seccomp profile that every launch keeps, beside those it asks for itself."""

    @classmethod
    def load(cls) -> Self:
        """Return the configuration with the settings of `config.yml` applied; raises ConfigError for a bad one."""
        return cls(**_settings(cls()))

    config_file = _Below("config_dir", "config.yml")
    """The configuration file all wheels share."""
    hooks_dir = _Below("state_dir", "hooks")
    """Where Podman finds our OCI hook."""
    seccomp_dir = _Below("state_dir", "seccomp")
    """Where setup puts our seccomp profiles."""
    receipt_path = _Below("state_dir", "setup.json")
    """The receipt that `terok-sandbox setup` wrote last."""
    setup_lock = _Below("state_dir", "setup.lock")
    """Lock that setup and uninstall hold."""
    host_facts_path = _Below("state_dir", "host.json")
    """Cached answer to what this host's Podman can do."""
    store_path = _Below("state_dir", "podman-store")
    """File that says which storage Podman had at setup."""
    gate_base_path = _Below("state_dir", "gate")
    """Directory of the bare mirrors, `<scope>.git` each."""
    db_path = _Below("vault_dir", "credentials.db")
    """The credential database."""
    routes_path = _Below("vault_dir", "routes.json")
    """The provider routes of the vault proxy."""
    usage_dir = _Below("vault_dir", "usage")
    """Usage of providers: a file per container in a directory per project."""
    default_prices_path = _Below("config_dir", "prices.json")
    """The user's own prices of models, if there are any."""
    vault_session_file = _Below("runtime_dir", "vault-session")
    """The passphrase of this session, 0600, on tmpfs."""
    forkserver_socket = _Below("runtime_dir", FORKSERVER_SOCKET)
    """Where the user's fork server listens."""
    sidecar_dir = _Below("state_dir", "sidecar")
    """Directory of all sidecars."""

    @property
    def prices_path(self) -> Path:
        """The file with the user's own prices of models, which need not exist."""
        return self.default_prices_path if self.own_prices is None else Path(self.own_prices).expanduser()

    def sidecar_path(self, name: str) -> Path:
        """Return the sidecar's path; `name` is a container name, anything else is a SandboxError."""
        return self.sidecar_dir / f"{checked_name(name)}.json"

    def container_state_dir(self, name: str) -> Path:
        """Return the directory of the container's audit and supervisor logs."""
        return self.state_dir / "containers" / checked_name(name)

    def gateway_dir(self, name: str) -> Path:
        """Return the part of the container's state directory that its gateway writes."""
        return self.container_state_dir(name) / "gateway"

    def container_runtime_dir(self, name: str) -> Path:
        """Return the directory of the supervisor's socket (host only) and of `guest/` (mounted read-only)."""
        return self.runtime_dir / "run" / checked_name(name)

    def gateway_socket(self, name: str) -> Path:
        """Return where the container's gateway listens for people; the container cannot see it."""
        return self.container_runtime_dir(name) / "clearance" / "gateway.sock"

    def activity_socket(self, name: str, worker: str) -> Path:
        """Return where a worker of the container tells what it knows; the container cannot see it."""
        return self.container_runtime_dir(name) / ACTIVITY_DIR / f"{worker}.sock"

    def control_socket(self, name: str) -> Path:
        """Return where the container's supervisor listens."""
        return self.container_runtime_dir(name) / CONTROL_SOCKET

    def guest_dir(self, name: str) -> Path:
        """Return the directory that the container sees as `/run/terok`."""
        return self.container_runtime_dir(name) / GUEST_DIR

    def ensure_container_dirs(self, name: str) -> None:
        """Create the container's state, runtime and guest directories, 0700."""
        guest = self.guest_dir(name)
        asking = (self.gateway_socket(name).parent, guest / "clearance", self.activity_socket(name, "").parent)
        for path in (self.gateway_dir(name), self.container_runtime_dir(name), guest, *asking):
            ensure_dir(path)


def _settings(config: SandboxConfig) -> dict[str, Any]:
    """Return the keyword arguments that `config.yml` sets; a file is validated once, not by every command."""
    from terok_util import TerokError, config_layers, remembered

    try:
        layers = config_layers(config.config_file)
    except TerokError as error:
        raise ConfigError(error.message, hint=error.hint) from error
    if not layers:
        return {}

    def make() -> dict[str, Any]:
        from terok_sandbox.config.view import parse_layers

        return parse_layers(layers).settings()

    # Parsing YAML and validating it takes longer than most commands; the result is kept until file or code change.
    package = Path(__file__).parents[1]
    code = [
        package / name for name in ("config/view.py", *(f"values/{one}.py" for one in ("launch", "limits", "servers")))
    ]
    kinds = {"Budget": Budget, "Limits": Limits}
    kept = config.state_dir / CACHE / "config.json"
    sources = [(str(path), data) for path, data in layers]
    settings: dict[str, Any] = remembered(kept, make, sources=sources, kinds=kinds, code=code)
    return settings


def checked_name(name: str) -> str:
    """Return `name` if a container can have it; raises SandboxError otherwise."""
    if not is_plain(name):
        raise SandboxError(f"invalid container name {name[:80]!r}", hint=PLAIN_HINT)
    return name
