"""Everything the executor uses of terok_sandbox; no other module imports that wheel.

Names are loaded when first used: the command tree needs the sandbox's commands, but not its database or its runtime.
"""

from __future__ import annotations

from terok_util import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_sandbox.audit import read_audit as read_audit
    from terok_sandbox.cli.tree import COMMANDS
    from terok_sandbox.config.model import SandboxConfig as SandboxConfig
    from terok_sandbox.doctor.check import CheckVerdict as CheckVerdict
    from terok_sandbox.doctor.check import DoctorCheck as DoctorCheck
    from terok_sandbox.doctor.check import Finding as Finding
    from terok_sandbox.doctor.check import examine as examine
    from terok_sandbox.doctor.check import exit_code
    from terok_sandbox.errors import EngineError as EngineError
    from terok_sandbox.errors import EngineTimeout as EngineTimeout
    from terok_sandbox.errors import GateError as GateError
    from terok_sandbox.errors import GpuConfigError as GpuConfigError
    from terok_sandbox.errors import NameTaken as NameTaken
    from terok_sandbox.errors import PrerequisiteMissing as PrerequisiteMissing
    from terok_sandbox.errors import SandboxError as SandboxError
    from terok_sandbox.gate.checkout import uncommitted as uncommitted
    from terok_sandbox.gate.git_gate import GitGate as GitGate
    from terok_sandbox.gate.invoke import find_git as find_git
    from terok_sandbox.gate.invoke import pusher as pusher
    from terok_sandbox.gate.invoke import run_git as run_git
    from terok_sandbox.gate.mirror import GateSyncResult as GateSyncResult
    from terok_sandbox.gate.seed import seed_workspace as seed_workspace
    from terok_sandbox.gate.source import RepoSource as RepoSource
    from terok_sandbox.gate.source import endpoint as endpoint
    from terok_sandbox.gate.source import resolve_repo as resolve_repo
    from terok_sandbox.gate.source import scope_for as scope_for
    from terok_sandbox.launch.cdi import installed_cdi_devices as installed_cdi_devices
    from terok_sandbox.launch.check import check_spec as check_spec
    from terok_sandbox.launch.gpu import gpu_args as gpu_args
    from terok_sandbox.launch.mounts import check_mount_sources as check_mount_sources
    from terok_sandbox.launch.registry_hosts import policy_tiers as policy_tiers
    from terok_sandbox.launch.registry_hosts import profile_tiers as profile_tiers
    from terok_sandbox.launch.resources import PerContainerResources as PerContainerResources
    from terok_sandbox.launch.resources import allocate_per_container_resources as allocate_per_container_resources
    from terok_sandbox.launch.resources import make_sidecar as make_sidecar
    from terok_sandbox.launch.spec import LifecycleHooks as LifecycleHooks
    from terok_sandbox.launch.spec import RunSpec as RunSpec
    from terok_sandbox.launch.spec import Wiring as Wiring
    from terok_sandbox.runtime.guest import GuestKeys as GuestKeys
    from terok_sandbox.runtime.guest import SshTransport as SshTransport
    from terok_sandbox.runtime.krun import KrunRuntime as KrunRuntime
    from terok_sandbox.runtime.podman import PodmanRuntime as PodmanRuntime
    from terok_sandbox.runtime.protocol import ByteProcess as ByteProcess
    from terok_sandbox.runtime.protocol import ContainerRuntime as ContainerRuntime
    from terok_sandbox.sandbox.sandbox import Sandbox as Sandbox
    from terok_sandbox.setup.stages import run_setup as run_setup
    from terok_sandbox.setup.stages import run_uninstall as run_uninstall
    from terok_sandbox.setup.state import check_setup as check_setup
    from terok_sandbox.shield.policy import parse_line
    from terok_sandbox.shield.profiles import profile_path as profile_path
    from terok_sandbox.sidecar import GateWiring as GateWiring
    from terok_sandbox.sidecar import PolicyTiers as PolicyTiers
    from terok_sandbox.values.host import ContainerState as ContainerState
    from terok_sandbox.values.launch import SecurityClass as SecurityClass
    from terok_sandbox.values.launch import Sharing as Sharing
    from terok_sandbox.values.launch import VolumeSpec as VolumeSpec
    from terok_sandbox.values.limits import Budget as Budget
    from terok_sandbox.vault.api_key import check_key as check_key
    from terok_sandbox.vault.errors import BadCredential as BadCredential
    from terok_sandbox.vault.errors import RoutesError as RoutesError
    from terok_sandbox.vault.oauth import expiry as expiry
    from terok_sandbox.vault.routes import Route as Route
    from terok_sandbox.vault.routes import parse_routes as parse_routes
    from terok_sandbox.vault.rules import read_rules as read_rules
    from terok_sandbox.vault.scrub import MIN_SECRET as MIN_SECRET
    from terok_sandbox.vault.scrub import Patterns as Patterns
    from terok_sandbox.vault.ssh.store import SSHManager as SSHManager
    from terok_sandbox.vault.tokens import TokenShape as TokenShape
    from terok_sandbox.vault.unlock import open_vault as open_vault
    from terok_sandbox.vault.unlock import provision_session as provision_session
    from terok_sandbox.vault.usage.journal import settled_rows
    from terok_sandbox.vault_addr import CONTAINER_VAULT_SOCKET as CONTAINER_VAULT_SOCKET
    from terok_sandbox.vault_addr import LOOPBACK_VAULT_PORT as LOOPBACK_VAULT_PORT

    SANDBOX_COMMANDS = COMMANDS
    doctor_exit_code = exit_code
    parse_policy_line = parse_line
    read_usage = settled_rows
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "terok_sandbox.audit": "read_audit",
            "terok_sandbox.config.model": "SandboxConfig",
            "terok_sandbox.doctor.check": "CheckVerdict DoctorCheck Finding examine",
            "terok_sandbox.errors": "EngineError EngineTimeout GateError GpuConfigError "
            "NameTaken PrerequisiteMissing SandboxError",
            "terok_sandbox.gate.checkout": "uncommitted",
            "terok_sandbox.gate.invoke": "find_git pusher run_git",
            "terok_sandbox.gate.git_gate": "GitGate",
            "terok_sandbox.gate.mirror": "GateSyncResult",
            "terok_sandbox.gate.seed": "seed_workspace",
            "terok_sandbox.gate.source": "RepoSource endpoint resolve_repo scope_for",
            "terok_sandbox.launch.cdi": "installed_cdi_devices",
            "terok_sandbox.launch.check": "check_spec",
            "terok_sandbox.launch.gpu": "gpu_args",
            "terok_sandbox.launch.mounts": "check_mount_sources",
            "terok_sandbox.launch.resources": "PerContainerResources allocate_per_container_resources make_sidecar",
            "terok_sandbox.launch.spec": "LifecycleHooks RunSpec Wiring",
            "terok_sandbox.runtime.guest": "GuestKeys SshTransport",
            "terok_sandbox.runtime.krun": "KrunRuntime",
            "terok_sandbox.runtime.podman": "PodmanRuntime",
            "terok_sandbox.runtime.protocol": "ByteProcess ContainerRuntime",
            "terok_sandbox.sandbox.sandbox": "Sandbox",
            "terok_sandbox.setup.stages": "run_setup run_uninstall",
            "terok_sandbox.setup.state": "check_setup",
            "terok_sandbox.shield.profiles": "profile_path",
            "terok_sandbox.launch.registry_hosts": "policy_tiers profile_tiers",
            "terok_sandbox.sidecar": "GateWiring PolicyTiers",
            "terok_sandbox.vault.oauth": "expiry",
            "terok_sandbox.vault.routes": "Route parse_routes",
            "terok_sandbox.vault.scrub": "MIN_SECRET Patterns",
            "terok_sandbox.vault.ssh.store": "SSHManager",
            "terok_sandbox.vault.api_key": "check_key",
            "terok_sandbox.vault.errors": "BadCredential RoutesError",
            "terok_sandbox.vault.rules": "read_rules",
            "terok_sandbox.vault.tokens": "TokenShape",
            "terok_sandbox.vault.unlock": "open_vault provision_session",
            "terok_sandbox.values.host": "ContainerState",
            "terok_sandbox.values.launch": "SecurityClass Sharing VolumeSpec",
            "terok_sandbox.values.limits": "Budget",
            "terok_sandbox.vault_addr": "CONTAINER_VAULT_SOCKET LOOPBACK_VAULT_PORT",
            "SANDBOX_COMMANDS": "terok_sandbox.cli.tree:COMMANDS",
            "doctor_exit_code": "terok_sandbox.doctor.check:exit_code",
            "parse_policy_line": "terok_sandbox.shield.policy:parse_line",
            "read_usage": "terok_sandbox.vault.usage.journal:settled_rows",
        },
    )
