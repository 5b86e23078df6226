"""Checks of a launch's values that need no look at the host.

Nothing is quoted or repaired. A value that Podman, a shell or a mount option could understand differently is a
`SpecError`.
"""

from __future__ import annotations

import math
import re
from typing import Final

from terok_sandbox.errors import SpecError
from terok_sandbox.launch.extra import check_extra_args
from terok_sandbox.launch.gpu import normalize_gpus
from terok_sandbox.launch.paths import check_container_path, check_host_path
from terok_sandbox.launch.spec import RunSpec
from terok_sandbox.values.launch import OPT_OUTS
from terok_sandbox.values.names import PLAIN_HINT, is_new_container, is_plain, is_time_zone
from terok_sandbox.vault_addr import SERVICE_PORTS, SIDECAR_ANNOTATION

DOSSIER_ANNOTATION: Final = "dossier.meta_path"
SAFE_ANNOTATION_KEYS: Final = frozenset({DOSSIER_ANNOTATION, "krun.cpus", "krun.ram_mib"})
"""Annotation keys a caller may set: a file about the task, and the size of a microVM."""

MAX_ENV_VALUE: Final = 64000  # bytes; Podman reads lines of up to 64 KiB
MAX_LOOPBACK_PORTS: Final = 8

RUNTIMES: Final = frozenset({"crun", "runc", "krun"})

_COMPONENT: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_IMAGE: Final = re.compile(
    rf"(?:(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{{1,5}})?/)?{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?|(?:sha256:)?[0-9a-f]{12,64})\Z"
)
_HOSTNAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z")
_NAME: Final = re.compile(r"[a-z0-9-]+(?:\.[a-z0-9-]+)+\Z")
_ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_MEMORY: Final = re.compile(r"[1-9][0-9]{0,14}[bkmg]?\Z")


def check_spec(spec: RunSpec) -> None:
    """Raise `SpecError` for the first value of `spec` that is refused."""
    check_container_name(spec.container_name)
    check_image_reference(spec.image)
    hostname, runtime, zone = spec.hostname, spec.runtime, spec.timezone
    if hostname is not None and not _HOSTNAME.match(hostname):
        raise SpecError(f"invalid host name {hostname!r}", hint="use up to 63 letters, digits and inner hyphens")
    if runtime is not None and runtime not in RUNTIMES:
        raise SpecError(f"unknown OCI runtime {runtime!r}", hint=f"use one of {', '.join(sorted(RUNTIMES))}")
    if zone is not None and not is_time_zone(zone):
        raise SpecError(f"invalid time zone {zone[:80]!r}", hint="use local, UTC or a name such as Europe/Berlin")
    if unknown := [name for name in spec.opt_outs if name not in OPT_OUTS]:
        raise SpecError(f"unknown seccomp opt-out {unknown[0]!r}", hint=f"use {', '.join(OPT_OUTS)}")
    if any("\0" in word for word in spec.command):
        raise SpecError("the command contains a NUL character")
    if spec.ephemeral and spec.sealed:
        raise SpecError("a sealed container cannot be ephemeral: its results would go with it")
    _check_scopes(spec)
    _check_env(spec)
    _check_limits(spec)
    _check_annotations(spec)
    if spec.gpus is not None:
        normalize_gpus(spec.gpus)
    for volume in spec.volumes:
        check_host_path(str(volume.host_path))
        check_container_path(volume.container_path)
    if spec.workdir is not None:
        check_container_path(spec.workdir)
    check_extra_args(spec.extra_args)


def check_container_name(name: str) -> str:
    """Return `name` if a container may be called so; raises `SpecError` otherwise."""
    if not is_new_container(name):
        hint = f"{PLAIN_HINT}; 0-9 a-f alone could be a container's ID"
        raise SpecError(f"invalid container name {name[:80]!r}", hint=hint)
    return name


def check_image_reference(reference: str) -> None:
    """Raise `SpecError` unless `reference` has the shape of an image name or ID."""
    if len(reference) > 512 or not _IMAGE.match(reference):
        raise SpecError(f"invalid image reference {reference[:80]!r}", hint="use NAME[:TAG] or REGISTRY/NAME[:TAG]")


def _check_scopes(spec: RunSpec) -> None:
    scope, ssh_scope = spec.wiring.scope, spec.wiring.ssh_scope
    if scope and not is_plain(scope):
        raise SpecError(f"invalid scope {scope[:80]!r}", hint=PLAIN_HINT)
    if ssh_scope is not None and not is_plain(ssh_scope):
        raise SpecError(f"invalid scope of SSH keys {ssh_scope[:80]!r}", hint=PLAIN_HINT)
    for name in spec.wiring.unasked:
        if not _NAME.match(name):
            raise SpecError(f"invalid name {name[:80]!r} that nobody is asked about", hint="use small letters and dots")


def _check_env(spec: RunSpec) -> None:
    for name, value in spec.env.items():
        if not _ENV_NAME.match(name):
            raise SpecError(f"invalid name of an environment variable {name[:80]!r}", hint="use letters, digits and _")
        data = value.encode("utf-8", "replace")
        faults = {
            "is not UTF-8 text": data.decode() != value,
            "is too long": len(data) > MAX_ENV_VALUE,
            "has more than one line": any(character in value for character in "\n\r\0"),
        }
        for fault, present in faults.items():
            if present:
                raise SpecError(f"the environment variable {name} {fault}", hint="put it into a file and mount it")


def _check_limits(spec: RunSpec) -> None:
    if spec.memory is not None and not _MEMORY.match(spec.memory):
        raise SpecError(f"invalid memory size {spec.memory!r}", hint="use a number and b, k, m or g, such as 4g")
    if spec.cpus is not None and not (math.isfinite(spec.cpus) and spec.cpus > 0):
        raise SpecError(f"invalid number of CPUs {spec.cpus!r}", hint="use a positive number such as 1.5")
    if spec.pids is not None and spec.pids < 1:
        raise SpecError(f"invalid number of processes {spec.pids!r}", hint="use a positive number")
    free = all(type(port) is int and 0 < port < 65536 and port not in SERVICE_PORTS for port in spec.loopback_ports)
    if len(spec.loopback_ports) > MAX_LOOPBACK_PORTS or not free:
        own = ", ".join(map(str, sorted(SERVICE_PORTS)))
        raise SpecError(
            f"invalid loopback ports {spec.loopback_ports!r}",
            hint=f"use up to {MAX_LOOPBACK_PORTS}, but not the sandbox's own: {own}",
        )


def _check_annotations(spec: RunSpec) -> None:
    for key, value in spec.annotations.items():
        if key == SIDECAR_ANNOTATION or key not in SAFE_ANNOTATION_KEYS:
            hint = f"use {', '.join(sorted(SAFE_ANNOTATION_KEYS))}"
            raise SpecError(f"the annotation {key[:80]!r} cannot be set", hint=hint)
        if key.startswith("krun.") and not re.fullmatch(r"[1-9][0-9]{0,6}", value):
            raise SpecError(f"invalid annotation {key}={value[:80]!r}", hint="use a positive number")
        if re.search(r"[\x00-\x1f\x7f,\"]", value):
            raise SpecError(f"the annotation {key} has a comma, quote or control character")
