"""Containers that are microVMs: keys for one guest, and the runtime that reaches it. Experimental."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from terok_executor.errors import PrerequisiteError, RequestError
from terok_executor.integrations.sandbox import GuestKeys, KrunRuntime, SandboxConfig, SshTransport, VolumeSpec
from terok_executor.paths import task_dir

SWITCH = "TEROK_EXPERIMENTAL"
KVM = Path("/dev/kvm")
KrunHostKeypair = GuestKeys
"""Keys for one guest: ours to log in with, and the guest's own."""


@dataclass(frozen=True, slots=True)
class KrunHost:
    """One container's guest: its keys are made anew for it and lie in its task's directory."""

    container: str
    config: SandboxConfig

    @property
    def keypair(self) -> KrunHostKeypair:
        """The guest's keys, made when first asked for."""
        keys = GuestKeys(task_dir(self.container) / "guest-keys")
        return keys if keys.identity.exists() else GuestKeys.make(keys.directory)

    def runtime(self) -> KrunRuntime:
        """Return the engine whose commands go into the guest."""
        return KrunRuntime(SshTransport(self.keypair), self.config)

    def volumes(self) -> tuple[VolumeSpec, ...]:
        """Return what the guest's SSH server needs, read-only."""
        keys = self.keypair
        return (
            VolumeSpec(keys.authorized_keys, "/etc/ssh/authorized_keys.d/terok", read_only=True),
            VolumeSpec(keys.host_key, "/etc/ssh/ssh_host_ed25519_key", read_only=True),
        )


def require_krun(environ: Mapping[str, str] | None = None, kvm: Path = KVM) -> None:
    """Raise RequestError unless experiments are switched on, PrerequisiteError without KVM."""
    if (os.environ if environ is None else environ).get(SWITCH) != "1":
        raise RequestError("microVMs are experimental", hint=f"set {SWITCH}=1 to try them")
    if not os.access(kvm, os.R_OK | os.W_OK):
        raise PrerequisiteError(f"microVMs need {kvm}", hint="enable virtualization and let this user open the device")
