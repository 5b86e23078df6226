"""Hardened rootless Podman containers with a credential vault, a git gate and default-deny egress.

Names are loaded when first used, so importing this package costs next to nothing.
"""

from __future__ import annotations

from terok_util import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_sandbox.audit import AuditLog, read_audit
    from terok_sandbox.cli.tree import COMMANDS
    from terok_sandbox.config.model import SandboxConfig
    from terok_sandbox.config.view import SandboxConfigView
    from terok_sandbox.doctor.check import CheckVerdict, DoctorCheck
    from terok_sandbox.errors import GpuConfigError, SandboxError
    from terok_sandbox.gate.mirror import GitGate
    from terok_sandbox.gate.served import GateServer
    from terok_sandbox.launch.check import SAFE_ANNOTATION_KEYS
    from terok_sandbox.launch.facts import HostFacts
    from terok_sandbox.launch.resources import PerContainerResources, allocate_per_container_resources
    from terok_sandbox.launch.spec import LifecycleHooks, RunSpec, Sharing, VolumeSpec, Wiring
    from terok_sandbox.runtime.fake import FakeRuntime, FakeSupervision
    from terok_sandbox.runtime.guest import GuestKeys, SshTransport, service_ports
    from terok_sandbox.runtime.krun import KrunRuntime
    from terok_sandbox.runtime.podman import PodmanRuntime
    from terok_sandbox.runtime.protocol import Container, ContainerRuntime, ContainerState, ExecResult, Image
    from terok_sandbox.sandbox import Sandbox
    from terok_sandbox.setup.state import check_setup
    from terok_sandbox.sidecar import GateWiring, PolicyTiers, Sidecar
    from terok_sandbox.vault.store import CredentialDB

    __all__ = [
        "COMMANDS",
        "SAFE_ANNOTATION_KEYS",
        "AuditLog",
        "CheckVerdict",
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
        "PerContainerResources",
        "PodmanRuntime",
        "PolicyTiers",
        "RunSpec",
        "Sandbox",
        "SandboxConfig",
        "SandboxConfigView",
        "SandboxError",
        "Sharing",
        "Sidecar",
        "SshTransport",
        "VolumeSpec",
        "Wiring",
        "allocate_per_container_resources",
        "check_setup",
        "read_audit",
        "service_ports",
    ]
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "AuditLog": ".audit",
            "COMMANDS": ".cli.tree",
            "CheckVerdict": ".doctor.check",
            "Container": ".runtime.protocol",
            "ContainerRuntime": ".runtime.protocol",
            "ContainerState": ".runtime.protocol",
            "CredentialDB": ".vault.store",
            "DoctorCheck": ".doctor.check",
            "ExecResult": ".runtime.protocol",
            "FakeRuntime": ".runtime.fake",
            "FakeSupervision": ".runtime.fake",
            "GateServer": ".gate.served",
            "GateWiring": ".sidecar",
            "GitGate": ".gate.mirror",
            "GpuConfigError": ".errors",
            "GuestKeys": ".runtime.guest",
            "HostFacts": ".launch.facts",
            "Image": ".runtime.protocol",
            "KrunRuntime": ".runtime.krun",
            "LifecycleHooks": ".launch.spec",
            "PerContainerResources": ".launch.resources",
            "PodmanRuntime": ".runtime.podman",
            "PolicyTiers": ".sidecar",
            "RunSpec": ".launch.spec",
            "SAFE_ANNOTATION_KEYS": ".launch.check",
            "Sandbox": ".sandbox",
            "SandboxConfig": ".config.model",
            "SandboxConfigView": ".config.view",
            "SandboxError": ".errors",
            "Sharing": ".launch.spec",
            "Sidecar": ".sidecar",
            "SshTransport": ".runtime.guest",
            "VolumeSpec": ".launch.spec",
            "Wiring": ".launch.spec",
            "allocate_per_container_resources": ".launch.resources",
            "check_setup": ".setup.state",
            "read_audit": ".audit",
            "service_ports": ".runtime.guest",
        },
    )
