"""User namespaces of containers."""

from __future__ import annotations

CONTAINER_UID = 1000
"""The user inside a container that is the person who started it."""
_SUBORDINATE_IDS = 65536


def podman_userns_args(version: tuple[int, int], *, euid: int) -> list[str]:
    """Return the podman options that make user `euid` of the host user 1000 of the container.

    `version` is Podman's (major, minor). From 4.3 on there is one option for it; earlier versions need three ranges (0
    is the caller in Podman's namespace, 1 and up are its 65536 subordinate IDs). Root needs no mapping: [].
    """
    if euid == 0:
        return []
    if version >= (4, 3):
        return [f"--userns=keep-id:uid={CONTAINER_UID},gid={CONTAINER_UID}"]
    user, next_user = CONTAINER_UID, CONTAINER_UID + 1
    ranges = [f"0:1:{user}", f"{user}:0:1", f"{next_user}:{next_user}:{_SUBORDINATE_IDS - user}"]
    return [part for option in ("--uidmap", "--gidmap") for ids in ranges for part in (option, ids)]
