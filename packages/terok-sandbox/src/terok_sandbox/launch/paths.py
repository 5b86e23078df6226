"""Which host and container paths may appear in a mount."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import Final

from terok_sandbox.errors import SpecError
from terok_sandbox.vault_addr import CONTAINER_RUNTIME_DIR

MANAGED_TARGETS: Final = (
    *(CONTAINER_RUNTIME_DIR, "/run/.containerenv", "/etc/resolv.conf", "/etc/hosts", "/etc/hostname"),
    *("/proc", "/sys", "/dev"),
)
"""Container paths that are ours, or the kernel's."""

_UNSAFE: Final = re.compile(r"[\x00-\x1f\x7f:,\"\\]")


def check_host_path(path: str) -> None:
    """Raise `SpecError` unless `path` is absolute and survives podman's `HOST:CONTAINER:OPTIONS`."""
    if not _absolute(path) or ".." in PurePosixPath(path).parts:
        raise SpecError(f"{path!r}: a mount needs an absolute host path")
    if _UNSAFE.search(path):
        raise SpecError(
            f"{path!r}: a host path with a colon, comma, quote, backslash or control character cannot be mounted",
            hint="rename the directory, or reach it through a symbolic link",
        )


def check_container_path(path: str) -> None:
    """Raise `SpecError` unless `path` is an absolute, normal container path apart from those the sandbox manages."""
    pure = PurePosixPath(path)
    if not _absolute(path) or _UNSAFE.search(path) or str(pure) != path or path == "/" or ".." in pure.parts:
        raise SpecError(f"invalid container path {path!r}", hint="use an absolute path without . and ..")
    for managed in MANAGED_TARGETS:
        if pure.is_relative_to(managed) or PurePosixPath(managed).is_relative_to(pure):
            raise SpecError(f"{path}: {managed} in the container is managed by the sandbox", hint="mount it elsewhere")


def _absolute(path: str) -> bool:
    """Tell whether `path` begins with one slash; POSIX gives two a meaning of their own, and Python keeps them."""
    return path.startswith("/") and not path.startswith("//")
