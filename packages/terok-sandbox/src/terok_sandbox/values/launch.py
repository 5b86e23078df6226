"""Values of one launch that the rooms below it know too: its choices, mounts and plan."""

from __future__ import annotations

from dataclasses import replace
from enum import Enum
from pathlib import Path
from typing import Final, Literal, get_args

from terok_util.sha256 import sha256
from terok_util.values import lean_dataclass

Enforcement = Literal["filter", "airlock"]
SecurityClass = Literal["gatekeeping", "online"]
"""Whether a container reaches its project's upstream through the gate alone, or directly too."""
Network = Literal["slirp4netns", "pasta"]
"""The program that leads from a container's network namespace to the host's network."""
OptOut = Literal["nested", "perf", "debug", "32bit"]
"""A part of Podman's own seccomp profile that a launch may keep.

`nested`: namespaces and mounts, for containers in the container or a browser's own sandbox. `perf`: performance
events, as far as the kernel grants them. `debug`: debuggers and tracers of the container's own processes. `32bit`:
programs for the processor's other instruction sets, which are killed otherwise.
"""
SANDBOX_LABEL: Final = "ai.terok.sandbox"
SCOPE_LABEL: Final = "ai.terok.scope"
"""Podman labels of every sandboxed container: the name that it was launched with, and its project."""
OPT_OUTS: Final[tuple[OptOut, ...]] = get_args(OptOut)


class Sharing(Enum):
    """SELinux label of a bind mount."""

    SHARED = "z"
    PRIVATE = "Z"


@lean_dataclass(frozen=True, slots=True)
class VolumeSpec:
    """A host path that the container sees; in a sealed launch copied in instead of mounted, unless `live`."""

    host_path: Path
    container_path: str
    sharing: Sharing = Sharing.SHARED
    read_only: bool = False
    live: bool = False

    def to_mount_arg(self, *, labels: bool = True) -> str:
        """Return the value of podman's `--volume`; `labels` says whether the host has SELinux."""
        options = [*([self.sharing.value] if labels else []), "ro" if self.read_only else "rw"]
        return f"{self.host_path}:{self.container_path}:{','.join(options)}"


@lean_dataclass(frozen=True, slots=True)
class Planned:
    """The container Podman has to make; anything else in the container's configuration stops its start.

    `mounts` are (source, destination, `ro` or `rw`), a tmpfs with the source `tmpfs`. `env` has the SHA-256
    of each `NAME=VALUE`, so that the file still names no secret; `None` for a container that somebody starts with
    arguments of their own, whose variables and further mounts are theirs to choose. `devices` are what a description
    of the asked GPUs grants: paths of nodes and mounts, and names of variables. `image_stores` are places besides
    Podman's storage where the image may be.
    """

    hostname: str
    mounts: tuple[tuple[str, str, str], ...]
    env: tuple[str, ...] | None
    capabilities: tuple[str, ...]
    restricted: bool
    user_namespace: bool
    own_network: bool = False
    labels: bool = False
    devices: tuple[str, ...] = ()
    image_stores: tuple[str, ...] = ()

    def borrowed(self) -> Planned:
        """Return the plan of a container that somebody starts with arguments of their own besides ours."""
        return replace(self, env=None)


def digest(setting: str) -> str:
    """Return what stands for `NAME=VALUE` in a plan."""
    return sha256(setting.encode("utf-8", "surrogateescape")).hexdigest()


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class LaunchPlan:
    """A launch, ready to be carried out.

    `argv` either runs the container detached or, when `sealed`, creates it: `copies` are then to be copied in
    before it is started. `options` are those of them that make a container of any image and command a sandboxed one.
    The texts are the contents of the files named in `LaunchPaths`; `apt_conf` is empty where there is none. `planned`
    is what Podman has to make of it. `warnings` are lines for the user.
    """

    name: str
    image: str
    argv: tuple[str, ...]
    options: tuple[str, ...]
    sealed: bool
    copies: tuple[VolumeSpec, ...]
    env_file: str
    resolv_conf: str
    hosts: str
    apt_conf: str
    hostname: str
    timezone: str | None
    planned: Planned
    network: Network | None
    warnings: tuple[str, ...]
