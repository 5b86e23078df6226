"""Hardened rootless Podman containers with a credential vault, a git gate and default-deny egress.

Names are loaded when first used, so importing this package costs next to nothing.
"""

from __future__ import annotations

from terok_util import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_sandbox.audit import AuditLog, read_audit
    from terok_sandbox.clearance.client import ClearanceClient
    from terok_sandbox.clearance.events import ClearanceEvent
    from terok_sandbox.clearance.hub import ClearanceHub
    from terok_sandbox.clearance.model import ClearanceRequest, Verdict
    from terok_sandbox.clearance.notifier import run_notifier
    from terok_sandbox.cli.tree import COMMANDS
    from terok_sandbox.config.model import SandboxConfig
    from terok_sandbox.config.view import SandboxConfigView
    from terok_sandbox.doctor.check import CheckVerdict, DoctorCheck
    from terok_sandbox.errors import GpuConfigError, SandboxError
    from terok_sandbox.gate.git_gate import GitGate
    from terok_sandbox.gate.host_server import GateServer
    from terok_sandbox.launch.check import SAFE_ANNOTATION_KEYS
    from terok_sandbox.launch.resources import PerContainerResources, allocate_per_container_resources
    from terok_sandbox.launch.spec import LifecycleHooks, RunSpec, Wiring
    from terok_sandbox.launch.supervision import FakeSupervision
    from terok_sandbox.runtime.fake import FakeRuntime
    from terok_sandbox.runtime.guest import GuestKeys, SshTransport, service_ports
    from terok_sandbox.runtime.krun import KrunRuntime
    from terok_sandbox.runtime.podman import PodmanRuntime
    from terok_sandbox.runtime.protocol import Container, ContainerRuntime, ExecResult, Image
    from terok_sandbox.sandbox.sandbox import Sandbox
    from terok_sandbox.sandbox.shield import Shield, ShieldState
    from terok_sandbox.setup.state import check_setup
    from terok_sandbox.shield.policy import Policy
    from terok_sandbox.shield.profiles import list_profiles
    from terok_sandbox.sidecar import GateWiring, PolicyTiers, Sidecar
    from terok_sandbox.values.host import ContainerState, HostFacts
    from terok_sandbox.values.launch import Sharing, VolumeSpec
    from terok_sandbox.values.limits import Budget, Limits
    from terok_sandbox.vault.routes import load_routes
    from terok_sandbox.vault.ssh.store import SSHManager
    from terok_sandbox.vault.status import VaultStatus
    from terok_sandbox.vault.store import CredentialDB
    from terok_sandbox.vault.unlock import open_vault

    __all__ = [
        "COMMANDS",
        "SAFE_ANNOTATION_KEYS",
        "AuditLog",
        "Budget",
        "CheckVerdict",
        "ClearanceClient",
        "ClearanceEvent",
        "ClearanceHub",
        "ClearanceRequest",
        "Container",
        "ContainerRuntime",
        "ContainerState",
        "CredentialDB",
        "DoctorCheck",
        "ExecResult",
        "FakeRuntime",
        "FakeSupervision",
        "GateServer",
        "GateWiring",
        "GitGate",
        "GpuConfigError",
        "GuestKeys",
        "HostFacts",
        "Image",
        "KrunRuntime",
        "LifecycleHooks",
        "Limits",
        "PerContainerResources",
        "PodmanRuntime",
        "Policy",
        "PolicyTiers",
        "RunSpec",
        "SSHManager",
        "Sandbox",
        "SandboxConfig",
        "SandboxConfigView",
        "SandboxError",
        "Sharing",
        "Shield",
        "ShieldState",
        "Sidecar",
        "SshTransport",
        "VaultStatus",
        "Verdict",
        "VolumeSpec",
        "Wiring",
        "allocate_per_container_resources",
        "check_setup",
        "list_profiles",
        "load_routes",
        "open_vault",
        "read_audit",
        "run_notifier",
        "service_ports",
    ]
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            ".audit": "AuditLog read_audit",
            ".clearance.client": "ClearanceClient",
            ".clearance.events": "ClearanceEvent",
            ".clearance.hub": "ClearanceHub",
            ".clearance.model": "ClearanceRequest Verdict",
            ".clearance.notifier": "run_notifier",
            ".cli.tree": "COMMANDS",
            ".config.model": "SandboxConfig",
            ".config.view": "SandboxConfigView",
            ".doctor.check": "CheckVerdict DoctorCheck",
            ".errors": "GpuConfigError SandboxError",
            ".gate.git_gate": "GitGate",
            ".gate.host_server": "GateServer",
            ".launch.check": "SAFE_ANNOTATION_KEYS",
            ".launch.resources": "PerContainerResources allocate_per_container_resources",
            ".launch.spec": "LifecycleHooks RunSpec Wiring",
            ".launch.supervision": "FakeSupervision",
            ".runtime.fake": "FakeRuntime",
            ".runtime.guest": "GuestKeys SshTransport service_ports",
            ".runtime.krun": "KrunRuntime",
            ".runtime.podman": "PodmanRuntime",
            ".runtime.protocol": "Container ContainerRuntime ExecResult Image",
            ".sandbox.sandbox": "Sandbox",
            ".setup.state": "check_setup",
            ".shield.policy": "Policy",
            ".shield.profiles": "list_profiles",
            ".sandbox.shield": "Shield ShieldState",
            ".sidecar": "GateWiring PolicyTiers Sidecar",
            ".vault.routes": "load_routes",
            ".vault.ssh.store": "SSHManager",
            ".vault.status": "VaultStatus",
            ".vault.store": "CredentialDB",
            ".vault.unlock": "open_vault",
            ".values.host": "ContainerState HostFacts",
            ".values.launch": "Sharing VolumeSpec",
            ".values.limits": "Budget Limits",
        },
    )
