"""What the sources of mounts really are: the checks that need to look at the host."""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import TYPE_CHECKING, Final

from terok_sandbox.errors import SpecError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from terok_sandbox.config import SandboxConfig
    from terok_sandbox.launch.spec import VolumeSpec

ENGINE_SOCKETS: Final = (
    "/run/docker.sock",
    "/run/podman/podman.sock",
    "/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/run/buildkit/buildkitd.sock",
)
"""System sockets through which a container could start other containers; a user's own are added to them."""

_USER_SOCKETS: Final = ("podman/podman.sock", "docker.sock", "containerd/containerd.sock", "buildkit/buildkitd.sock")
_ENGINE_NAMES: Final = frozenset(Path(path).name for path in (*ENGINE_SOCKETS, *_USER_SOCKETS))


def check_mount_sources(volumes: Iterable[VolumeSpec], config: SandboxConfig) -> None:
    """Raise :class:`SpecError` for a volume whose source is missing or would hand the container the host.

    Refused are container-engine sockets, directories that hold one, and the sandbox's own state (or a directory above
    it): whoever writes there is no longer confined. The configuration may be mounted read-only.
    """
    sockets = [os.path.realpath(path) for path in _engine_sockets()]
    own = [os.path.realpath(path) for path in (config.vault_dir, config.runtime_dir, config.state_dir)]
    settings = os.path.realpath(config.config_dir)
    for volume in volumes:
        source = os.path.realpath(volume.host_path)
        if not os.path.lexists(source):
            raise SpecError(f"{volume.host_path}: no such file or directory to mount")
        if _is_engine_socket(source) or any(_within(socket, source) for socket in sockets):
            raise SpecError(f"{volume.host_path}: leads to the socket of a container engine", hint=_NARROWER)
        protected = own if volume.read_only else [*own, settings]
        if any(_within(path, source) or _within(source, path) for path in protected):
            raise SpecError(f"{volume.host_path}: holds state of the sandbox itself", hint=_NARROWER)


_NARROWER: Final = "mount the directory the work is in, not one above it"


def _engine_sockets() -> Iterable[str]:
    yield from ENGINE_SOCKETS
    for base in {os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.geteuid()}"}:
        if base:
            yield from (f"{base}/{name}" for name in _USER_SOCKETS)


def _is_engine_socket(source: str) -> bool:
    try:
        mode = Path(source).stat().st_mode
    except OSError as error:
        raise SpecError(f"{source}: cannot be mounted: {error.strerror}") from error
    return stat.S_ISSOCK(mode) and Path(source).name in _ENGINE_NAMES


def _within(path: str, directory: str) -> bool:
    """Tell whether *path* is *directory* or below it; only for paths that exist, a missing one leads nowhere yet."""
    return path == directory or path.startswith(directory.rstrip("/") + "/")
