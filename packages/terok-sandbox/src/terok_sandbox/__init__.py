"""Hardened rootless Podman containers with a credential vault, a git gate and default-deny egress.

Names are loaded when first used, so importing this package costs next to nothing.
"""

from __future__ import annotations

from terok_util import lazy_imports

with lazy_imports(globals()):
    from terok_sandbox.audit import AuditLog as AuditLog
    from terok_sandbox.audit import read_audit as read_audit
    from terok_sandbox.clearance.client import ClearanceClient as ClearanceClient
    from terok_sandbox.clearance.events import ClearanceEvent as ClearanceEvent
    from terok_sandbox.clearance.hub import ClearanceHub as ClearanceHub
    from terok_sandbox.clearance.model import ClearanceRequest as ClearanceRequest
    from terok_sandbox.clearance.model import Verdict as Verdict
    from terok_sandbox.clearance.notifier import run_notifier as run_notifier
    from terok_sandbox.cli.tree import COMMANDS as COMMANDS
    from terok_sandbox.config.model import SandboxConfig as SandboxConfig
    from terok_sandbox.config.view import SandboxConfigView as SandboxConfigView
    from terok_sandbox.doctor.check import CheckVerdict as CheckVerdict
    from terok_sandbox.doctor.check import DoctorCheck as DoctorCheck
    from terok_sandbox.errors import GpuConfigError as GpuConfigError
    from terok_sandbox.errors import SandboxError as SandboxError
    from terok_sandbox.gate.git_gate import GitGate as GitGate
    from terok_sandbox.gate.host_server import GateServer as GateServer
    from terok_sandbox.launch.check import SAFE_ANNOTATION_KEYS as SAFE_ANNOTATION_KEYS
    from terok_sandbox.launch.resources import PerContainerResources as PerContainerResources
    from terok_sandbox.launch.resources import allocate_per_container_resources as allocate_per_container_resources
    from terok_sandbox.launch.spec import LifecycleHooks as LifecycleHooks
    from terok_sandbox.launch.spec import RunSpec as RunSpec
    from terok_sandbox.launch.spec import Wiring as Wiring
    from terok_sandbox.launch.supervision import FakeSupervision as FakeSupervision
    from terok_sandbox.runtime.fake import FakeRuntime as FakeRuntime
    from terok_sandbox.runtime.guest import GuestKeys as GuestKeys
    from terok_sandbox.runtime.guest import SshTransport as SshTransport
    from terok_sandbox.runtime.guest import service_ports as service_ports
    from terok_sandbox.runtime.krun import KrunRuntime as KrunRuntime
    from terok_sandbox.runtime.podman import PodmanRuntime as PodmanRuntime
    from terok_sandbox.runtime.protocol import Container as Container
    from terok_sandbox.runtime.protocol import ContainerRuntime as ContainerRuntime
    from terok_sandbox.runtime.protocol import ExecResult as ExecResult
    from terok_sandbox.runtime.protocol import Image as Image
    from terok_sandbox.sandbox.sandbox import Sandbox as Sandbox
    from terok_sandbox.sandbox.shield import Shield as Shield
    from terok_sandbox.sandbox.shield import ShieldState as ShieldState
    from terok_sandbox.setup.state import check_setup as check_setup
    from terok_sandbox.shield.policy import Policy as Policy
    from terok_sandbox.shield.profiles import list_profiles as list_profiles
    from terok_sandbox.sidecar import GateWiring as GateWiring
    from terok_sandbox.sidecar import PolicyTiers as PolicyTiers
    from terok_sandbox.sidecar import Sidecar as Sidecar
    from terok_sandbox.values.host import ContainerState as ContainerState
    from terok_sandbox.values.host import HostFacts as HostFacts
    from terok_sandbox.values.launch import Sharing as Sharing
    from terok_sandbox.values.launch import VolumeSpec as VolumeSpec
    from terok_sandbox.values.limits import Budget as Budget
    from terok_sandbox.values.limits import Limits as Limits
    from terok_sandbox.vault.routes import load_routes as load_routes
    from terok_sandbox.vault.ssh.store import SSHManager as SSHManager
    from terok_sandbox.vault.status import VaultStatus as VaultStatus
    from terok_sandbox.vault.store import CredentialDB as CredentialDB
    from terok_sandbox.vault.unlock import open_vault as open_vault
