"""The abilities of a host and its Podman, and the states of a container."""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Final

from terok_util.values import lean_dataclass

if TYPE_CHECKING:
    from terok_sandbox.values.launch import Network

MIN_PODMAN: Final = (4, 3)
"""Oldest Podman that works: the first with `keep-id:uid=`."""


class ContainerState(StrEnum):
    """Life of a container; `MISSING` is the engine's own statement that it does not exist."""

    MISSING = "missing"
    CREATED = "created"
    RUNNING = "running"
    PAUSED = "paused"
    STOPPING = "stopping"
    EXITED = "exited"
    REMOVING = "removing"
    OTHER = "other"


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """One host as seen by one user.

    `podman` is the absolute path of the program; `controllers` are the cgroup controllers this user may set limits
    with; `network` is `None` when no program for a container's network is installed; `init` says whether Podman
    has an init program to put into containers; `selinux` whether mounts need a label; `store` is where Podman keeps
    images, containers and volumes, and what runs; `image_stores` are further places of images; `memory`
    is the host's in bytes, 0 if unknown.
    """

    podman: str
    version: tuple[int, int, int]
    rootless: bool
    controllers: frozenset[str]
    runtime: str
    network: Network | None
    init: bool
    selinux: bool
    store: tuple[str, ...] = ()
    memory: int = 0
    image_stores: tuple[str, ...] = ()


def choose_network(version: tuple[int, int, int], *, rootless: bool, slirp: bool, pasta: bool) -> Network | None:
    """Return the network program: pasta from Podman 5 on, slirp4netns before and for root."""
    if rootless and version >= (5, 0, 0) and pasta:
        return "pasta"
    return "slirp4netns" if slirp else None
