"""Everything the executor uses of terok_sandbox; no other module imports that wheel.

Names are loaded when first used: the command tree needs the sandbox's commands, but not its database or its runtime.
"""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok_sandbox import COMMANDS as COMMANDS
    from terok_sandbox import CONTAINER_VAULT_SOCKET as CONTAINER_VAULT_SOCKET
    from terok_sandbox import LOOPBACK_VAULT_PORT as LOOPBACK_VAULT_PORT
    from terok_sandbox import MIN_SECRET as MIN_SECRET
    from terok_sandbox import PLAIN_HINT as PLAIN_HINT
    from terok_sandbox import BadCredential as BadCredential
    from terok_sandbox import Budget as Budget
    from terok_sandbox import ByteProcess as ByteProcess
    from terok_sandbox import CheckVerdict as CheckVerdict
    from terok_sandbox import Claim as Claim
    from terok_sandbox import ContainerRuntime as ContainerRuntime
    from terok_sandbox import ContainerState as ContainerState
    from terok_sandbox import DoctorCheck as DoctorCheck
    from terok_sandbox import EngineError as EngineError
    from terok_sandbox import EngineTimeout as EngineTimeout
    from terok_sandbox import Finding as Finding
    from terok_sandbox import GateError as GateError
    from terok_sandbox import GateSyncResult as GateSyncResult
    from terok_sandbox import GateWiring as GateWiring
    from terok_sandbox import GitGate as GitGate
    from terok_sandbox import GpuConfigError as GpuConfigError
    from terok_sandbox import GuestKeys as GuestKeys
    from terok_sandbox import KrunRuntime as KrunRuntime
    from terok_sandbox import LifecycleHooks as LifecycleHooks
    from terok_sandbox import NameTaken as NameTaken
    from terok_sandbox import Patterns as Patterns
    from terok_sandbox import PerContainerResources as PerContainerResources
    from terok_sandbox import PodmanRuntime as PodmanRuntime
    from terok_sandbox import PolicyTiers as PolicyTiers
    from terok_sandbox import PrerequisiteMissing as PrerequisiteMissing
    from terok_sandbox import RepoSource as RepoSource
    from terok_sandbox import Route as Route
    from terok_sandbox import RoutesError as RoutesError
    from terok_sandbox import RunSpec as RunSpec
    from terok_sandbox import Sandbox as Sandbox
    from terok_sandbox import SandboxConfig as SandboxConfig
    from terok_sandbox import SandboxError as SandboxError
    from terok_sandbox import SecurityClass as SecurityClass
    from terok_sandbox import Sharing as Sharing
    from terok_sandbox import SSHManager as SSHManager
    from terok_sandbox import SshTransport as SshTransport
    from terok_sandbox import TokenShape as TokenShape
    from terok_sandbox import VolumeSpec as VolumeSpec
    from terok_sandbox import Wiring as Wiring
    from terok_sandbox import allocate_per_container_resources as allocate_per_container_resources
    from terok_sandbox import check_key as check_key
    from terok_sandbox import check_setup as check_setup
    from terok_sandbox import doctor_exit_code as doctor_exit_code
    from terok_sandbox import endpoint as endpoint
    from terok_sandbox import examine as examine
    from terok_sandbox import expiry as expiry
    from terok_sandbox import find_git as find_git
    from terok_sandbox import is_branch as is_branch
    from terok_sandbox import is_plain as is_plain
    from terok_sandbox import is_time_zone as is_time_zone
    from terok_sandbox import make_sidecar as make_sidecar
    from terok_sandbox import open_vault as open_vault
    from terok_sandbox import parse_policy_line as parse_policy_line
    from terok_sandbox import parse_routes as parse_routes
    from terok_sandbox import policy_tiers as policy_tiers
    from terok_sandbox import profile_path as profile_path
    from terok_sandbox import profile_tiers as profile_tiers
    from terok_sandbox import provision_session as provision_session
    from terok_sandbox import pusher as pusher
    from terok_sandbox import read_audit as read_audit
    from terok_sandbox import read_rules as read_rules
    from terok_sandbox import read_usage as read_usage
    from terok_sandbox import resolve_repo as resolve_repo
    from terok_sandbox import run_git as run_git
    from terok_sandbox import run_setup as run_setup
    from terok_sandbox import run_uninstall as run_uninstall
    from terok_sandbox import scope_for as scope_for
    from terok_sandbox import seed_workspace as seed_workspace
    from terok_sandbox import uncommitted as uncommitted
