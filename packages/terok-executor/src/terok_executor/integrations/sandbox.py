"""Everything the executor uses of terok_sandbox; no other module imports that wheel.

Names are loaded when first used: the command tree needs the sandbox's commands, but not its database or its runtime.
"""

from __future__ import annotations

from terok_util import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_sandbox.audit import read_audit
    from terok_sandbox.cli.tree import COMMANDS as SANDBOX_COMMANDS
    from terok_sandbox.config.model import SandboxConfig
    from terok_sandbox.doctor.check import CheckVerdict, DoctorCheck, Finding, examine
    from terok_sandbox.doctor.check import exit_code as doctor_exit_code
    from terok_sandbox.errors import (
        ContainerNotFound,
        EngineError,
        EngineTimeout,
        GateError,
        GpuConfigError,
        PrerequisiteMissing,
        SandboxError,
    )
    from terok_sandbox.gate.invoke import find_git, run_git
    from terok_sandbox.gate.mirror import GitGate
    from terok_sandbox.gate.source import RepoSource, endpoint, resolve_repo, scope_for
    from terok_sandbox.launch.spec import LifecycleHooks, RunSpec, Sharing, VolumeSpec, Wiring
    from terok_sandbox.runtime.guest import GuestKeys, SshTransport
    from terok_sandbox.runtime.krun import KrunRuntime
    from terok_sandbox.runtime.protocol import ByteProcess, ContainerRuntime, ContainerState
    from terok_sandbox.sandbox import Sandbox
    from terok_sandbox.setup.stages import run_setup, run_uninstall
    from terok_sandbox.setup.state import check_setup
    from terok_sandbox.sidecar import GateWiring, PolicyTiers, SecurityClass
    from terok_sandbox.vault.oauth import expiry
    from terok_sandbox.vault.scrub import MIN_SECRET, Patterns
    from terok_sandbox.vault.store import CredentialDB
    from terok_sandbox.vault.tokens import TokenShape
    from terok_sandbox.vault.unlock import open_vault, provision_session
    from terok_sandbox.vault.usage.budget import Budget, Limits
    from terok_sandbox.vault.usage.journal import read_rows as read_usage
    from terok_sandbox.vault_addr import CONTAINER_VAULT_SOCKET, LOOPBACK_VAULT_PORT

    __all__ = [
        "CONTAINER_VAULT_SOCKET",
        "LOOPBACK_VAULT_PORT",
        "MIN_SECRET",
        "SANDBOX_COMMANDS",
        "Budget",
        "ByteProcess",
        "CheckVerdict",
        "ContainerNotFound",
        "ContainerRuntime",
        "ContainerState",
        "CredentialDB",
        "DoctorCheck",
        "EngineError",
        "EngineTimeout",
        "Finding",
        "GateError",
        "GateWiring",
        "GitGate",
        "GpuConfigError",
        "GuestKeys",
        "KrunRuntime",
        "LifecycleHooks",
        "Limits",
        "Patterns",
        "PolicyTiers",
        "PrerequisiteMissing",
        "RepoSource",
        "RunSpec",
        "Sandbox",
        "SandboxConfig",
        "SandboxError",
        "SecurityClass",
        "Sharing",
        "SshTransport",
        "TokenShape",
        "VolumeSpec",
        "Wiring",
        "check_setup",
        "doctor_exit_code",
        "endpoint",
        "examine",
        "expiry",
        "find_git",
        "open_vault",
        "provision_session",
        "read_audit",
        "read_usage",
        "resolve_repo",
        "run_git",
        "run_setup",
        "run_uninstall",
        "scope_for",
    ]
else:
    _SOURCES = {
        "KrunRuntime": "terok_sandbox.runtime.krun",
        "SshTransport": "terok_sandbox.runtime.guest",
        "GuestKeys": "terok_sandbox.runtime.guest",
        "doctor_exit_code": "terok_sandbox.doctor.check:exit_code",
        "examine": "terok_sandbox.doctor.check",
        "Finding": "terok_sandbox.doctor.check",
        "DoctorCheck": "terok_sandbox.doctor.check",
        "CheckVerdict": "terok_sandbox.doctor.check",
        "CONTAINER_VAULT_SOCKET": "terok_sandbox.vault_addr",
        "Budget": "terok_sandbox.vault.usage.budget",
        "ByteProcess": "terok_sandbox.runtime.protocol",
        "ContainerNotFound": "terok_sandbox.errors",
        "ContainerRuntime": "terok_sandbox.runtime.protocol",
        "ContainerState": "terok_sandbox.runtime.protocol",
        "CredentialDB": "terok_sandbox.vault.store",
        "EngineError": "terok_sandbox.errors",
        "EngineTimeout": "terok_sandbox.errors",
        "GateError": "terok_sandbox.errors",
        "GateWiring": "terok_sandbox.sidecar",
        "GpuConfigError": "terok_sandbox.errors",
        "GitGate": "terok_sandbox.gate.mirror",
        "LOOPBACK_VAULT_PORT": "terok_sandbox.vault_addr",
        "LifecycleHooks": "terok_sandbox.launch.spec",
        "Limits": "terok_sandbox.vault.usage.budget",
        "MIN_SECRET": "terok_sandbox.vault.scrub",
        "Patterns": "terok_sandbox.vault.scrub",
        "PolicyTiers": "terok_sandbox.sidecar",
        "PrerequisiteMissing": "terok_sandbox.errors",
        "RepoSource": "terok_sandbox.gate.source",
        "RunSpec": "terok_sandbox.launch.spec",
        "SANDBOX_COMMANDS": "terok_sandbox.cli.tree:COMMANDS",
        "Sandbox": "terok_sandbox.sandbox",
        "SandboxConfig": "terok_sandbox.config.model",
        "SandboxError": "terok_sandbox.errors",
        "Sharing": "terok_sandbox.launch.spec",
        "TokenShape": "terok_sandbox.vault.tokens",
        "VolumeSpec": "terok_sandbox.launch.spec",
        "Wiring": "terok_sandbox.launch.spec",
        "check_setup": "terok_sandbox.setup.state",
        "expiry": "terok_sandbox.vault.oauth",
        "open_vault": "terok_sandbox.vault.unlock",
        "provision_session": "terok_sandbox.vault.unlock",
        "read_audit": "terok_sandbox.audit",
        "read_usage": "terok_sandbox.vault.usage.journal:read_rows",
        "resolve_repo": "terok_sandbox.gate.source",
        "find_git": "terok_sandbox.gate.invoke",
        "run_git": "terok_sandbox.gate.invoke",
        "run_setup": "terok_sandbox.setup.stages",
        "run_uninstall": "terok_sandbox.setup.stages",
        "scope_for": "terok_sandbox.gate.source",
        "SecurityClass": "terok_sandbox.sidecar",
        "endpoint": "terok_sandbox.gate.source",
    }
    __getattr__, __dir__, __all__ = lazy_exports(__name__, _SOURCES)
