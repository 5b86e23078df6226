"""Launches what the caller has put together, with the sandbox's guarantees and nothing else; experimental: microVMs."""

from __future__ import annotations

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from terok_util import ensure_dir

from terok_executor.errors import PrerequisiteError, RequestError
from terok_executor.integrations.sandbox import (
    GuestKeys,
    KrunRuntime,
    PerContainerResources,
    RunSpec,
    Sandbox,
    SandboxConfig,
    SshTransport,
    VolumeSpec,
    Wiring,
    allocate_per_container_resources,
    make_sidecar,
)
from terok_executor.launch.request import ContainerOptions, parse_cpus, translated
from terok_executor.paths import checked_container_name, task_dir

SWITCH = "TEROK_EXPERIMENTAL"
KVM = Path("/dev/kvm")


def write_supervisor_sidecar(sandbox: Sandbox, spec: RunSpec) -> Path:
    """Write the file that wires a container to its supervisor, 0600, and return its path.

    For a container that somebody else creates; every launch does it anyway. SandboxError if it cannot be written.
    """
    path = sandbox.config.sidecar_path(spec.container_name)
    ensure_dir(path.parent)
    make_sidecar(sandbox.config, spec).save(path)
    return path


class PreparedOptions(ContainerOptions, total=False):
    """Keywords of a launch of what the caller has put together; `RunSpec` explains those it has too.

    `wiring` names its services (by default the project's vault and no gate); `project_allow` and `override` are policy
    lines added to it. `per_container` is what `allocate_per_container_resources` returned for the container, if the
    caller has asked it.
    """

    extra_args: Iterable[str] | None
    hostname: str | None
    annotations: Mapping[str, str] | None
    runtime: str | None
    wiring: Wiring | None
    project_allow: Iterable[str]
    override: Iterable[str]
    per_container: PerContainerResources | None


def prepared_spec(
    config: SandboxConfig,
    env: Mapping[str, str],
    volumes: Iterable[VolumeSpec],
    image: str,
    command: Iterable[str],
    name: str,
    task_dir: Path,
    options: PreparedOptions,
) -> RunSpec:
    """Return the launch that the keywords describe; RequestError or PrerequisiteError if there cannot be one."""
    given = translated(options)
    resources = given.pop("per_container", None)
    if resources is not None and resources != allocate_per_container_resources(config, name):
        raise RequestError(f"these resources are not those of container {name}", hint="allocate them by its name")
    if given.get("runtime") == "krun":
        require_krun()
    dossier, task = given.pop("dossier_path", None), given.pop("task_id", "")
    annotations = {**(given.pop("annotations", None) or {}), **({"dossier.meta_path": str(dossier)} if dossier else {})}
    return RunSpec(
        container_name=checked_container_name(name),
        image=image,
        env={**env, **({"TASK_ID": task} if task else {})},
        volumes=tuple(volumes),
        command=tuple(command),
        task_dir=task_dir,
        annotations=annotations,
        wiring=_wiring(given),
        cpus=parse_cpus(given.pop("cpus", None)),
        extra_args=tuple(given.pop("extra_args", None) or ()),
        **given,
    )


def _wiring(given: dict[str, Any]) -> Wiring:
    """Take the keywords about services out of `given` and return the services they ask for."""
    project = given.pop("project_id", "")
    wiring: Wiring = given.pop("wiring", None) or Wiring(scope=project)
    if project and wiring.scope != project:
        raise RequestError(f"the project is {project}, its wiring is that of {wiring.scope or 'none'}")
    lines = {name: (*getattr(wiring.tiers, name), *given.pop(name, ())) for name in ("project_allow", "override")}
    return replace(wiring, tiers=replace(wiring.tiers, **lines))


KrunHostKeypair = GuestKeys
"""Keys of one guest: one to log in with, and its host key."""


@dataclass(frozen=True, slots=True)
class KrunHost:
    """One container's guest, whose keys are in its task's directory."""

    container: str
    config: SandboxConfig

    @property
    def keypair(self) -> KrunHostKeypair:
        """The guest's keys, generated when first used."""
        keys = GuestKeys(task_dir(self.container) / "guest-keys")
        return keys if keys.identity.exists() else GuestKeys.make(keys.directory)

    def runtime(self) -> KrunRuntime:
        """Return the engine whose commands go into the guest."""
        return KrunRuntime(SshTransport(self.keypair), self.config)

    def volumes(self) -> tuple[VolumeSpec, ...]:
        """Return the read-only mounts of the guest's SSH server."""
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
