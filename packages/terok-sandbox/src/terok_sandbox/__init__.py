"""Hardened rootless Podman containers with a credential vault, a git gate and default-deny egress.

Names are loaded when first used, so importing this package costs next to nothing.
"""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok_sandbox.audit import read_audit as read_audit
    from terok_sandbox.clearance.client import ClearanceClient as ClearanceClient
    from terok_sandbox.clearance.events import ClearanceEvent as ClearanceEvent
    from terok_sandbox.clearance.hub import ClearanceHub as ClearanceHub
    from terok_sandbox.clearance.model import Verdict as Verdict
    from terok_sandbox.cli.tree import COMMANDS as COMMANDS
    from terok_sandbox.config.model import SandboxConfig as SandboxConfig
    from terok_sandbox.config.view import SandboxConfigView as SandboxConfigView
    from terok_sandbox.doctor.check import CheckVerdict as CheckVerdict
    from terok_sandbox.doctor.check import DoctorCheck as DoctorCheck
    from terok_sandbox.doctor.check import Finding as Finding
    from terok_sandbox.doctor.check import doctor_exit_code as doctor_exit_code
    from terok_sandbox.doctor.check import examine as examine
    from terok_sandbox.errors import EngineError as EngineError
    from terok_sandbox.errors import EngineTimeout as EngineTimeout
    from terok_sandbox.errors import GateError as GateError
    from terok_sandbox.errors import GpuConfigError as GpuConfigError
    from terok_sandbox.errors import NameTaken as NameTaken
    from terok_sandbox.errors import PrerequisiteMissing as PrerequisiteMissing
    from terok_sandbox.errors import SandboxError as SandboxError
    from terok_sandbox.gate.checkout import uncommitted as uncommitted
    from terok_sandbox.gate.cli import GATE_VERBS as GATE_VERBS
    from terok_sandbox.gate.git_gate import GitGate as GitGate
    from terok_sandbox.gate.host_server import GateServer as GateServer
    from terok_sandbox.gate.invoke import find_git as find_git
    from terok_sandbox.gate.invoke import git_environment as git_environment
    from terok_sandbox.gate.invoke import pusher as pusher
    from terok_sandbox.gate.invoke import run_git as run_git
    from terok_sandbox.gate.layout import mirror_path as mirror_path
    from terok_sandbox.gate.mirror import GateSyncResult as GateSyncResult
    from terok_sandbox.gate.seed import seed_workspace as seed_workspace
    from terok_sandbox.gate.source import RepoSource as RepoSource
    from terok_sandbox.gate.source import endpoint as endpoint
    from terok_sandbox.gate.source import resolve_repo as resolve_repo
    from terok_sandbox.gate.source import scope_for as scope_for
    from terok_sandbox.launch.check import SAFE_ANNOTATION_KEYS as SAFE_ANNOTATION_KEYS
    from terok_sandbox.launch.registry_hosts import policy_tiers as policy_tiers
    from terok_sandbox.launch.registry_hosts import profile_tiers as profile_tiers
    from terok_sandbox.launch.resources import PerContainerResources as PerContainerResources
    from terok_sandbox.launch.resources import allocate_per_container_resources as allocate_per_container_resources
    from terok_sandbox.launch.resources import make_sidecar as make_sidecar
    from terok_sandbox.launch.spec import LifecycleHooks as LifecycleHooks
    from terok_sandbox.launch.spec import RunSpec as RunSpec
    from terok_sandbox.launch.spec import Wiring as Wiring
    from terok_sandbox.launch.supervision import FakeSupervisor as FakeSupervisor
    from terok_sandbox.runtime.fake import FakeRuntime as FakeRuntime
    from terok_sandbox.runtime.guest import GuestKeys as GuestKeys
    from terok_sandbox.runtime.guest import SshTransport as SshTransport
    from terok_sandbox.runtime.guest import service_ports as service_ports
    from terok_sandbox.runtime.krun import KrunRuntime as KrunRuntime
    from terok_sandbox.runtime.podman import PodmanRuntime as PodmanRuntime
    from terok_sandbox.runtime.protocol import ByteProcess as ByteProcess
    from terok_sandbox.runtime.protocol import Container as Container
    from terok_sandbox.runtime.protocol import ContainerRuntime as ContainerRuntime
    from terok_sandbox.runtime.protocol import ExecResult as ExecResult
    from terok_sandbox.runtime.protocol import Image as Image
    from terok_sandbox.sandbox.sandbox import Claim as Claim
    from terok_sandbox.sandbox.sandbox import Sandbox as Sandbox
    from terok_sandbox.sandbox.shield import Shield as Shield
    from terok_sandbox.sandbox.shield import ShieldState as ShieldState
    from terok_sandbox.setup.stages import run_setup as run_setup
    from terok_sandbox.setup.stages import run_uninstall as run_uninstall
    from terok_sandbox.setup.state import check_setup as check_setup
    from terok_sandbox.shield.policy import Policy as Policy
    from terok_sandbox.shield.policy import parse_policy_line as parse_policy_line
    from terok_sandbox.shield.profiles import profile_path as profile_path
    from terok_sandbox.sidecar import GateWiring as GateWiring
    from terok_sandbox.sidecar import PolicyTiers as PolicyTiers
    from terok_sandbox.sidecar import Sidecar as Sidecar
    from terok_sandbox.values.host import ContainerState as ContainerState
    from terok_sandbox.values.launch import SecurityClass as SecurityClass
    from terok_sandbox.values.launch import Sharing as Sharing
    from terok_sandbox.values.launch import VolumeSpec as VolumeSpec
    from terok_sandbox.values.limits import Budget as Budget
    from terok_sandbox.values.limits import Limits as Limits
    from terok_sandbox.values.names import PLAIN_HINT as PLAIN_HINT
    from terok_sandbox.values.names import is_branch as is_branch
    from terok_sandbox.values.names import is_plain as is_plain
    from terok_sandbox.values.names import is_time_zone as is_time_zone
    from terok_sandbox.vault.api_key import check_key as check_key
    from terok_sandbox.vault.errors import BadCredential as BadCredential
    from terok_sandbox.vault.errors import RoutesError as RoutesError
    from terok_sandbox.vault.routes import Route as Route
    from terok_sandbox.vault.routes import parse_routes as parse_routes
    from terok_sandbox.vault.rules import read_rules as read_rules
    from terok_sandbox.vault.scrub import MIN_SECRET as MIN_SECRET
    from terok_sandbox.vault.scrub import Patterns as Patterns
    from terok_sandbox.vault.ssh.store import SSHManager as SSHManager
    from terok_sandbox.vault.status import VaultStatus as VaultStatus
    from terok_sandbox.vault.store import CredentialDB as CredentialDB
    from terok_sandbox.vault.store import expiry as expiry
    from terok_sandbox.vault.tokens import TokenShape as TokenShape
    from terok_sandbox.vault.unlock import open_vault as open_vault
    from terok_sandbox.vault.unlock import provision_session as provision_session
    from terok_sandbox.vault.usage.journal import project_dir as project_dir
    from terok_sandbox.vault.usage.journal import read_usage as read_usage
    from terok_sandbox.vault_addr import CONTAINER_VAULT_SOCKET as CONTAINER_VAULT_SOCKET
    from terok_sandbox.vault_addr import LOOPBACK_VAULT_PORT as LOOPBACK_VAULT_PORT
