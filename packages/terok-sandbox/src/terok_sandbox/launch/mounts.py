"""Checks of mount sources that need to look at the host: places that are refused, and sockets of other programs."""

from __future__ import annotations

import errno
import os
import socket
import stat
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final

from terok_sandbox.config import SandboxConfig
from terok_sandbox.config.host_files import conf_path, unit_dir
from terok_sandbox.errors import SpecError
from terok_sandbox.unix_sockets import address, is_in_container, peer
from terok_sandbox.values.launch import VolumeSpec

ENGINE_SOCKETS: Final = (
    *("/run/docker.sock", "/run/podman/podman.sock", "/run/containerd/containerd.sock"),
    *("/run/crio/crio.sock", "/run/buildkit/buildkitd.sock"),
)
"""System sockets through which a container could start other containers; a user's own are added to them."""
KERNEL: Final = ("/proc", "/sys", "/dev")  # file systems that show or steer the host's processes, terminals and devices
SHARED: Final = ("/tmp", "/var/tmp", "/run", "/run/user")  # noqa: S108 - refused, not used
"""Where programs of this host make sockets and files for each other, at any time."""
MAX_ENTRIES: Final = 1_000_000  # how many files are looked at below one source; that takes a second or two
_KINDS: Final = (socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM)
_USER_SOCKETS: Final = ("podman/podman.sock", "docker.sock", "containerd/containerd.sock", "buildkit/buildkitd.sock")
_ENGINE_NAMES: Final = frozenset(Path(path).name for path in (*ENGINE_SOCKETS, *_USER_SOCKETS))
_BOUND: Final = Path("/proc/net/unix")
_BOUND_PATH: Final = 7  # column of the path a Unix socket is bound to


def check_mount_sources(
    volumes: Iterable[VolumeSpec], config: SandboxConfig, *, store: Sequence[str] = ()
) -> tuple[tuple[str, str], ...]:
    """Return each source with its real path, which the hook compares with that of later starts.

    Raises `SpecError` for a volume whose source is missing or would hand the container the host.

    Refused are sockets and devices, directories with sockets on which programs of this host listen, the directories in
    which programs meet, the kernel's own file systems, Podman's storage (`store`) and where it keeps what runs, and the
    sandbox's state: whoever writes there is no longer confined. What configures Podman and the sandbox, and their
    program, may be mounted read-only. All of this holds for a directory above too, and by whatever name it is reached.
    """
    if not (volumes := tuple(volumes)):
        return ()
    sockets = [_Place(path) for path in _engine_sockets()]
    kernel = [_Place(path) for path in KERNEL]
    own = [_Place(str(path)) for path in (config.vault_dir, config.runtime_dir, config.state_dir)]
    podmans = [_Place(path) for path in (*store, *_podmans())]
    shared = [_Place(path) for path in (*SHARED, *_runtime_dirs())]
    settings = [_Place(str(path)) for path in _settings(config)]
    judged = []
    for volume in volumes:
        source = _source(volume)
        for places, what in ((sockets, _ENGINE), (kernel, "belongs to the kernel of this host"), (podmans, _STORE)):
            if any(source.meets(place) for place in places):
                raise SpecError(f"{volume.host_path}: {what}", hint=_NARROWER)
        if any(source.meets(place) for place in own):
            raise SpecError(f"{volume.host_path}: holds state of the sandbox itself", hint=_NARROWER)
        if not volume.read_only and any(source.meets(place) for place in settings):
            raise SpecError(
                f"{volume.host_path}: holds settings or the program of the sandbox or Podman", hint="mount it read-only"
            )
        if any(source.holds(place) for place in shared):
            raise SpecError(f"{volume.host_path}: programs of this host make sockets there", hint=_NARROWER)
        if found := listening_below(Path(source.path)):
            raise SpecError(
                f"{volume.host_path}: a program of this host listens on {found}",
                hint="mount a directory without it, or end that program",
            )
        judged.append((str(volume.host_path), source.path))
    return tuple(judged)


_NARROWER: Final = "mount the directory the work is in, not one above it"
_ENGINE: Final = "leads to the socket of a container engine"
_STORE: Final = "holds containers or images of Podman"


class _Place:
    """A path as it is and the directories above it, known by device and inode: a bind mount has another name."""

    def __init__(self, path: str) -> None:
        self.path = os.path.realpath(path)
        real = Path(self.path)
        self.itself = _identity(real)
        self.above = {self.itself, *map(_identity, real.parents)} - {None}

    def meets(self, other: _Place) -> bool:
        """Tell whether one is the other or lies below it; of a path that does not exist yet, only its parents count."""
        return self.itself in other.above or other.itself in self.above

    def holds(self, other: _Place) -> bool:
        """Tell whether `other` is this place or lies below it."""
        return self.itself in other.above


def _source(volume: VolumeSpec) -> _Place:
    try:
        mode = volume.host_path.stat().st_mode
    except FileNotFoundError as error:
        raise SpecError(f"{volume.host_path}: no such file or directory to mount") from error
    except OSError as error:
        raise SpecError(f"{volume.host_path}: cannot be mounted: {error.strerror}") from error
    if stat.S_ISSOCK(mode):
        engine = Path(os.path.realpath(volume.host_path)).name in _ENGINE_NAMES
        what = _ENGINE if engine else "is a socket, the door to a program of this host"
        raise SpecError(f"{volume.host_path}: {what}", hint=_NARROWER)
    if stat.S_ISCHR(mode) or stat.S_ISBLK(mode):
        raise SpecError(f"{volume.host_path}: is a device", hint="GPUs are given with `--gpus`")
    return _Place(str(volume.host_path))


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        info = path.lstat()
    except OSError:
        return None
    return info.st_dev, info.st_ino


def _runtime_dirs() -> set[str]:
    return {base for base in (os.environ.get("XDG_RUNTIME_DIR"), f"/run/user/{os.geteuid()}") if base}


def _podmans() -> Iterator[str]:
    if os.geteuid() == 0:
        yield from ("/run/containers/storage", "/run/libpod", "/var/lib/containers/storage")
    yield from (f"{base}/{name}" for base in _runtime_dirs() for name in ("containers", "libpod"))
    data = os.environ.get("XDG_DATA_HOME") or f"{Path.home()}/.local/share"
    yield f"{data}/containers/storage"


def _engine_sockets() -> Iterator[str]:
    yield from ENGINE_SOCKETS
    yield from (f"{base}/{name}" for base in _runtime_dirs() for name in _USER_SOCKETS)
    for name in ("DOCKER_HOST", "CONTAINER_HOST"):
        scheme, _, path = os.environ.get(name, "").partition("unix://")
        if not scheme and path.startswith("/"):
            yield path
    bound = _BOUND.read_bytes().splitlines() if _BOUND.exists() else []
    for columns in (line.split(maxsplit=_BOUND_PATH) for line in bound):
        path = os.fsdecode(columns[_BOUND_PATH]) if len(columns) > _BOUND_PATH else ""
        if path.startswith("/") and Path(path).name in _ENGINE_NAMES:
            yield path


def _settings(config: SandboxConfig) -> Iterator[Path]:
    yield from (config.config_dir, conf_path(), Path(f"{conf_path()}.d"), unit_dir(), Path(__file__).parents[1])
    if sys.prefix != sys.base_prefix:
        yield Path(sys.prefix)


def listening_below(source: Path, *, limit: int = MAX_ENTRIES) -> Path | None:
    """Return a socket below `source` on which a program outside of containers listens, None otherwise.

    Links are not followed. Directories that this user may not read are skipped: they are closed to the container too,
    or are its own. Raises SpecError for more than `limit` files.
    """
    left, waiting = limit, [str(source)]
    while waiting:
        with suppress(PermissionError, FileNotFoundError, NotADirectoryError), os.scandir(waiting.pop()) as entries:
            for entry in entries:
                left -= 1
                if left < 0:
                    raise SpecError(
                        f"{source}: has more than {limit:,} files, too many to look for sockets of the host",
                        hint="mount the directories that are needed, one by one",
                    )
                if entry.is_file(follow_symlinks=False):
                    continue
                if entry.is_dir(follow_symlinks=False):
                    waiting.append(entry.path)
                elif stat.S_ISSOCK(entry.stat(follow_symlinks=False).st_mode) and is_listening(Path(entry.path)):
                    return Path(entry.path)
    return None


def is_listening(path: Path) -> bool:
    """Tell whether a program outside of containers listens at `path`; a socket without one is a mere name."""
    for kind in _KINDS:
        with socket.socket(socket.AF_UNIX, kind) as asking, address(path) as name:
            asking.settimeout(1)
            try:
                asking.connect(name)
            except (ConnectionRefusedError, FileNotFoundError):
                return False
            except OSError as error:
                if error.errno == errno.EPROTOTYPE:
                    continue
                return True
            return kind == socket.SOCK_DGRAM or not is_in_container(peer(asking)[0])
    return False
