"""Refusals: which launch values are never passed to podman.

Nothing is quoted or repaired. A value that podman, a shell or a mount option could read in another way than it was
meant is a `SpecError`.
"""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Final

from terok_sandbox.errors import SpecError
from terok_sandbox.launch.extra import check_extra_args
from terok_sandbox.launch.gpu import normalize_gpus
from terok_sandbox.launch.paths import check_container_path, check_host_path
from terok_sandbox.values.launch import OPT_OUTS
from terok_sandbox.values.names import PLAIN_HINT, is_new_container, is_plain, is_time_zone
from terok_sandbox.vault_addr import SERVICE_PORTS, SIDECAR_ANNOTATION

if TYPE_CHECKING:
    from terok_sandbox.launch.spec import RunSpec

DOSSIER_ANNOTATION: Final = "dossier.meta_path"
SAFE_ANNOTATION_KEYS: Final = frozenset({DOSSIER_ANNOTATION, "krun.cpus", "krun.ram_mib"})
"""Annotation keys a caller may set: a file about the task, and the size of a microVM."""

MAX_ENV_VALUE: Final = 64000
"""Bytes; Podman reads lines of up to 64 KiB."""
MAX_LOOPBACK_PORTS: Final = 8

RUNTIMES: Final = frozenset({"crun", "runc", "krun"})

_COMPONENT: Final = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
_IMAGE: Final = re.compile(
    rf"(?:(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?(?::[0-9]{{1,5}})?/)?{_COMPONENT}(?:/{_COMPONENT})*"
    r"(?::[A-Za-z0-9_][A-Za-z0-9_.-]{0,127})?(?:@sha256:[0-9a-f]{64})?|(?:sha256:)?[0-9a-f]{12,64})\Z"
)
_HOSTNAME: Final = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\Z")
_ENV_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]*\Z")
_MEMORY: Final = re.compile(r"[1-9][0-9]{0,14}[bkmg]?\Z")


def check_spec(spec: RunSpec) -> None:
    """Raise `SpecError` for the first value of `spec` that is refused."""
    check_container_name(spec.container_name)
    check_image_reference(spec.image)
    if spec.hostname is not None and not _HOSTNAME.match(spec.hostname):
        raise SpecError(
            f"invalid host name {spec.hostname!r}", hint="use letters, digits and inner hyphens, at most 63"
        )
    if spec.runtime is not None and spec.runtime not in RUNTIMES:
        raise SpecError(f"unknown OCI runtime {spec.runtime!r}", hint=f"use one of {', '.join(sorted(RUNTIMES))}")
    if spec.wiring.scope and not is_plain(spec.wiring.scope):
        raise SpecError(f"invalid scope {spec.wiring.scope[:80]!r}", hint=PLAIN_HINT)
    if spec.wiring.ssh_scope is not None and not is_plain(spec.wiring.ssh_scope):
        raise SpecError(f"invalid scope of SSH keys {spec.wiring.ssh_scope[:80]!r}", hint=PLAIN_HINT)
    _check_env(spec)
    _check_limits(spec)
    if len(spec.loopback_ports) > MAX_LOOPBACK_PORTS or any(not _is_free(port) for port in spec.loopback_ports):
        raise SpecError(
            f"{spec.loopback_ports!r}: not up to {MAX_LOOPBACK_PORTS} port numbers besides the sandbox's own",
            hint=f"the sandbox's own are {', '.join(map(str, sorted(SERVICE_PORTS)))}",
        )
    _check_environment_of_process(spec)
    if spec.gpus is not None:
        normalize_gpus(spec.gpus)
    _check_annotations(spec)
    for volume in spec.volumes:
        check_host_path(str(volume.host_path))
        check_container_path(volume.container_path)
    if spec.workdir is not None:
        check_container_path(spec.workdir)
    if any("\0" in word for word in spec.command):
        raise SpecError("the command contains a NUL character")
    check_extra_args(spec.extra_args)


def check_container_name(name: str) -> str:
    """Return `name` if a container may be called so; raises `SpecError` otherwise."""
    if not is_new_container(name):
        raise SpecError(
            f"invalid container name {name[:80]!r}", hint=f"{PLAIN_HINT}; 0-9 a-f alone could be a container's ID"
        )
    return name


def check_image_reference(reference: str) -> None:
    """Raise `SpecError` unless `reference` has the shape of an image name or ID."""
    if len(reference) > 512 or not _IMAGE.match(reference):
        raise SpecError(
            f"invalid image reference {reference[:80]!r}", hint="write it as NAME[:TAG] or REGISTRY/NAME[:TAG]"
        )


def _is_free(port: int) -> bool:
    return type(port) is int and 0 < port < 65536 and port not in SERVICE_PORTS


def _check_env(spec: RunSpec) -> None:
    for name, value in spec.env.items():
        if not _ENV_NAME.match(name):
            raise SpecError(f"invalid environment variable name {name[:80]!r}")
        if not value.isascii() and value != value.encode("utf-8", "replace").decode():
            raise SpecError(
                f"the environment variable {name} is not UTF-8 text", hint="put it into a file and mount it"
            )
        if len(value.encode("utf-8", "replace")) > MAX_ENV_VALUE:
            raise SpecError(
                f"the environment variable {name} is too long", hint="put the text into a file and mount it"
            )
        if any(character in value for character in "\n\r\0"):
            raise SpecError(
                f"the environment variable {name} has more than one line", hint="put the text into a file and mount it"
            )


def _check_limits(spec: RunSpec) -> None:
    if spec.memory is not None and not _MEMORY.match(spec.memory):
        raise SpecError(f"invalid memory size {spec.memory!r}", hint="write a number with b, k, m or g, such as 4g")
    if spec.cpus is not None and not (math.isfinite(spec.cpus) and spec.cpus > 0):
        raise SpecError(f"invalid number of CPUs {spec.cpus!r}", hint="write a positive number such as 1.5")
    if spec.pids is not None and spec.pids < 1:
        raise SpecError(f"invalid number of processes {spec.pids!r}", hint="write a positive number")


def _check_environment_of_process(spec: RunSpec) -> None:
    if unknown := [name for name in spec.opt_outs if name not in OPT_OUTS]:
        raise SpecError(f"unknown seccomp opt-out {unknown[0]!r}", hint=f"use {', '.join(OPT_OUTS)}")
    if spec.timezone is not None and not is_time_zone(spec.timezone):
        raise SpecError(
            f"invalid time zone {spec.timezone[:80]!r}", hint="use local, UTC or a name such as Europe/Berlin"
        )
    if spec.ephemeral and spec.sealed:
        raise SpecError("a sealed container cannot be ephemeral: its results would go with it")


def _check_annotations(spec: RunSpec) -> None:
    for key, value in spec.annotations.items():
        if key == SIDECAR_ANNOTATION or key not in SAFE_ANNOTATION_KEYS:
            raise SpecError(
                f"the annotation {key[:80]!r} cannot be set", hint=f"use {', '.join(sorted(SAFE_ANNOTATION_KEYS))}"
            )
        if key.startswith("krun.") and not re.fullmatch(r"[1-9][0-9]{0,6}", value):
            raise SpecError(f"the annotation {key} is a number")
        if re.search(r"[\x00-\x1f\x7f,\"]", value):
            raise SpecError(f"the annotation {key} has a comma, quote or control character")
