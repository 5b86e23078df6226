"""The files and directories of one container: claimed before a launch, removed with the container."""

from __future__ import annotations

import json
import os
import threading
import time
import zlib
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path
from typing import Final

from terok_util import (
    FileLock,
    LockTimeout,
    TerokError,
    atomic_write,
    ensure_dir,
    remove_tree,
    sync_path,
    write_sensitive_file,
)
from terok_util.sha256 import sha256
from terok_util.values import lean_dataclass

from terok_sandbox.clearance.dossier import DOSSIER_FILE, read_dossier
from terok_sandbox.clearance.project import with_project_verdicts
from terok_sandbox.config import SandboxConfig
from terok_sandbox.config.model import checked_name
from terok_sandbox.errors import ContainerBusy, LaunchError, SandboxError, SpecError
from terok_sandbox.launch.argv import LaunchPaths
from terok_sandbox.launch.check import DOSSIER_ANNOTATION
from terok_sandbox.launch.spec import RunSpec
from terok_sandbox.runtime.ports import reserve_port
from terok_sandbox.sidecar import (
    SCHEMA,
    SHIELD_AUDIT,
    VAULT_AUDIT,
    HostPorts,
    ShieldWiring,
    Sidecar,
    UsageWiring,
    VaultWiring,
)
from terok_sandbox.values.launch import LaunchPlan, Network, Planned
from terok_sandbox.values.names import is_plain
from terok_sandbox.version import VERSION

MAX_SOCKET_PATH: Final = 107  # bytes the kernel allows in the address of a Unix socket
OUTPUT_LOG: Final = "output.log"  # output of the container, as Podman's monitor writes it
_LONGEST_SOCKET: Final = "guest/ssh-agent.sock"
CONTAINERENV: Final = 'engine="podman"\n'  # file by which programs know that they are in a container
_ZONES: Final = Path("/usr/share/zoneinfo")
_LOCALTIME: Final = Path("/etc/localtime")
LOCK_TIMEOUT: Final = 60.0
LOCKS: Final = 256


@lean_dataclass(frozen=True, slots=True)
class PerContainerResources:
    """Directories of one container on the host."""

    container_runtime_dir: Path
    guest_dir: Path


def allocate_per_container_resources(config: SandboxConfig, name: str) -> PerContainerResources:
    """Return the directories of container `name`; SpecError when its socket paths would be too long."""
    runtime_dir = config.container_runtime_dir(name)
    longest = os.fsencode(runtime_dir / _LONGEST_SOCKET)
    if len(longest) > MAX_SOCKET_PATH:
        raise SpecError(
            f"{runtime_dir}: {len(longest) - MAX_SOCKET_PATH} bytes too long for the sockets in it",
            hint="use a shorter container name or TEROK_ROOT",
        )
    return PerContainerResources(runtime_dir, config.guest_dir(name))


def launch_paths(config: SandboxConfig, name: str) -> LaunchPaths:
    """Return where the files of container `name` that podman is told about are."""
    state_dir = config.container_state_dir(name)
    shown = ("resolv_conf", "hosts", "apt_conf", "hostname", "containerenv", "localtime")
    return LaunchPaths(
        **{field: state_dir / "etc" / field.replace("_", ".") for field in shown},
        sidecar=config.sidecar_path(name),
        guest_dir=config.guest_dir(name),
        env_file=config.container_runtime_dir(name) / "env",
        monitor_pid=config.container_runtime_dir(name) / "monitor.pid",
        seccomp_dir=config.seccomp_dir,
        log=state_dir / OUTPUT_LOG,
    )


def file_identity(path: Path) -> tuple[int, int] | None:
    """Return inode and modification time, which tell a file from its successor; None if it does not exist."""
    with suppress(FileNotFoundError):
        info = path.stat()
        return info.st_ino, info.st_mtime_ns
    return None


def make_sidecar(
    config: SandboxConfig,
    spec: RunSpec,
    mounts: tuple[tuple[str, str], ...] = (),
    *,
    network: Network | None = None,
    planned: Planned | None = None,
) -> Sidecar:
    """Return the sidecar that wires the container of `spec` to its supervisor; `mounts` are as they were judged."""
    name, wiring = spec.container_name, spec.wiring
    state_dir = config.container_state_dir(name)
    vault = VaultWiring(
        db_path=config.db_path,
        routes_path=config.routes_path,
        audit_path=state_dir / VAULT_AUDIT,
        passphrase_file=config.vault_session_file,
        usage=_usage(config, spec),
        ssh_scope=wiring.ssh_scope,
    )
    shield = ShieldWiring(
        enforcement=wiring.enforcement or config.shield_mode,
        audit_path=config.gateway_dir(name) / SHIELD_AUDIT,
        tiers=with_project_verdicts(config, wiring.scope, wiring.tiers),
        resolvers=config.shield_resolvers,
        unasked=wiring.unasked,
    )
    host_ports = None
    if config.services_mode == "tcp":
        with reserve_port() as vault_port, reserve_port() as gate_port:  # the container's for as long as it exists
            host_ports = HostPorts(vault_port.port, gate_port.port)
    return Sidecar(
        schema=SCHEMA,
        version=VERSION,
        container_name=name,
        scope=wiring.scope,
        runtime_dir=config.container_runtime_dir(name),
        state_dir=state_dir,
        vault=vault if wiring.vault else None,
        gate=wiring.gate,
        shield=shield,
        loopback_ports=tuple(dict.fromkeys(spec.loopback_ports)),
        host_ports=host_ports,
        mounts=mounts,
        network=network,
        planned=planned,
    )


def _usage(config: SandboxConfig, spec: RunSpec) -> UsageWiring:
    if config.own_prices is not None or config.prices_path.exists():
        from terok_sandbox.vault.usage.prices import load_prices  # what most launches do without

        load_prices(config.prices_path, required=config.own_prices is not None)
    budget = config.budget if spec.wiring.budget is None else spec.wiring.budget
    return UsageWiring(
        journal=project_dir(config.usage_dir, spec.wiring.scope) / f"{spec.container_name}.jsonl",
        task=os.urandom(6).hex(),
        started=time.time(),
        prices=config.prices_path,
        task_limits=budget.task,
        project_limits=budget.project,
        on_limit=budget.on_limit,
        day_limits=budget.day,
    )


def put_usage_together(config: SandboxConfig, name: str) -> None:
    """Leave of a removed container's usage only the sums."""
    from terok_sandbox.vault.usage.journal import UsageJournal  # which a launch does without

    for path in config.usage_dir.glob(f"*/{checked_name(name)}.jsonl"):
        UsageJournal(path, "").put_together()


def project_dir(base: Path, scope: str) -> Path:
    """Return a project's directory below `base`."""
    if not scope:
        return base / "_"
    return base / (scope if is_plain(scope) else f"_{sha256(scope.encode()).hexdigest()[:24]}")


def write_launch(config: SandboxConfig, spec: RunSpec, plan: LaunchPlan, mounts: tuple[tuple[str, str], ...]) -> None:
    """Write everything that `plan` needs, with `mounts` as they were judged; LaunchError when that fails."""
    sidecar = make_sidecar(config, spec, mounts, network=plan.network, planned=plan.planned)
    path = spec.annotations.get(DOSSIER_ANNOTATION)
    dossier = (read_dossier(Path(path)) if path else {}) | dict(spec.wiring.dossier)
    write_files(config, sidecar, plan, json.dumps(dossier) + "\n")


def write_files(config: SandboxConfig, sidecar: Sidecar, plan: LaunchPlan, dossier: str = "{}\n") -> None:
    """Write everything podman and the supervisor read, which `settling` brings to disk; LaunchError when that fails."""
    paths = launch_paths(config, plan.name)
    try:
        config.ensure_container_dirs(plan.name)
        ensure_dir(config.sidecar_dir)
        ensure_dir(paths.hosts.parent, 0o755)
        shown = {paths.resolv_conf: plan.resolv_conf, paths.hosts: plan.hosts, paths.hostname: plan.hostname}
        shown[paths.containerenv] = CONTAINERENV
        if plan.apt_conf:
            shown[paths.apt_conf] = plan.apt_conf
        for path, text in shown.items():
            atomic_write(path, text, mode=0o644, durable=False)
        if plan.timezone:
            atomic_write(paths.localtime, _zone(plan.timezone), mode=0o644, durable=False)
        write_sensitive_file(paths.env_file, plan.env_file, durable=False)
        write_sensitive_file(sidecar.gateway_dir / DOSSIER_FILE, dossier, durable=False)
        sidecar.save(paths.sidecar, durable=False)
    except (OSError, TerokError) as error:
        raise LaunchError(f"the files of container {plan.name} cannot be written: {error}") from error


def _zone(name: str) -> bytes:
    path = _LOCALTIME if name == "local" else _ZONES / name
    try:
        return path.read_bytes()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise SpecError(f"this host knows no time zone {name}", hint=f"see {_ZONES}") from error


@contextmanager
def settling(config: SandboxConfig, name: str) -> Iterator[None]:
    """Bring the files of container `name` to disk while the block runs; LaunchError when they cannot be."""
    paths = launch_paths(config, name)
    shown = (paths.resolv_conf, paths.hosts, paths.hostname, paths.containerenv, paths.localtime, paths.apt_conf)
    files = [file for file in (*shown, paths.sidecar) if file.exists()]
    errors: list[OSError] = []

    def settle() -> None:
        try:
            for path in dict.fromkeys([*files, *(file.parent for file in files)]):
                sync_path(path)
        except OSError as error:
            errors.append(error)

    thread = threading.Thread(target=settle, name="settle")
    thread.start()
    try:
        yield
    finally:
        thread.join()
    if errors:
        raise LaunchError(f"the files of container {name} cannot be written: {errors[0].strerror}")


def revoke_tokens(config: SandboxConfig, name: str) -> None:
    """Revoke every token of container `name`; raises VaultError when the vault cannot be opened."""
    if not config.db_path.exists():
        return
    with suppress(SandboxError):  # an unreadable one may have had tokens
        if Sidecar.load(config.sidecar_path(name)).vault is None:
            return
    from terok_sandbox.vault.unlock import open_vault

    with open_vault(config) as vault:
        vault.revoke_tokens(name)


def remove_files(config: SandboxConfig, name: str) -> None:
    """Remove everything the host keeps of container `name`; LaunchError when something stays."""
    try:
        config.sidecar_path(name).unlink(missing_ok=True)
        remove_tree(config.container_runtime_dir(name))
        remove_tree(config.container_state_dir(name))
    except (OSError, TerokError) as error:
        raise LaunchError(f"the files of container {name} cannot be removed: {error}") from error


@contextmanager
def launch_lock(config: SandboxConfig, name: str, *, timeout: float = LOCK_TIMEOUT) -> Iterator[None]:
    """Keep every other launch, start or removal of container `name` out; ContainerBusy after `timeout` seconds."""
    directory = config.runtime_dir / "locks"
    ensure_dir(directory)
    bucket = zlib.crc32(name.encode()) % LOCKS  # a lock file cannot be removed safely, so their number is bounded
    with ExitStack() as held:
        try:
            held.enter_context(FileLock(directory / f"{bucket:02x}.lock", timeout=timeout))
        except LockTimeout as error:
            raise ContainerBusy(f"another command is busy with container {name}") from error
        yield
