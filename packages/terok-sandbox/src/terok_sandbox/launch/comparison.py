"""Compare the container that Podman made with the launch plan, before its first process runs.

Podman adds what any `containers.conf` asks for to every container: mounts, devices, variables, shared namespaces. The
runtime's configuration (`config.json`) shows all of it, also at a start that no command of the sandbox is behind.
"""

from __future__ import annotations

import base64
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path
from typing import Any, Final

from terok_util import TerokError

from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import SupervisorError
from terok_sandbox.values.launch import Planned, digest

Config = Callable[[], SandboxConfig]

MAX_CONFIG: Final = 4 * 1024 * 1024
_MAX_CONF: Final = 1024 * 1024
_SYSTEM_CONF: Final = ("/usr/share/containers/containers.conf", "/etc/containers/containers.conf")
_DEFAULT_PATH: Final = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_NAMESPACES: Final = frozenset({"pid", "ipc", "uts", "mount", "cgroup", "network"})
_KERNEL: Final = {
    "/proc": {"proc"},
    "/sys": {"sysfs"},
    "/sys/fs/cgroup": {"cgroup", "cgroup2"},
    "/dev": {"tmpfs"},
    "/dev/pts": {"devpts"},
    "/dev/mqueue": {"mqueue"},
    "/dev/shm": {"tmpfs"},  # noqa: S108 - where the container sees it
}
"""File systems of the kernel's own that every container has, by where it sees them."""
_PODMANS: Final = {"/dev/shm": "shm", "/run/secrets": "run/secrets"}  # noqa: S108
"""Mounts of Podman's own, writable: shared memory (bounded), and secrets that a distribution's `mounts.conf` adds."""
_NOBODY: Final = 65534  # who owns root's files as seen from Podman's own user namespace
_INIT: Final = ("/run/podman-init", "/dev/init")
_HIDDEN: Final = {"maskedPaths": "/proc/kcore", "readonlyPaths": "/proc/sys"}
_SETS: Final = ("bounding", "effective", "inheritable", "permitted", "ambient")


@dataclass(frozen=True, slots=True)
class ImageSettings:
    """Wishes of a container's image: its variables as `NAME=VALUE`, and where it wants volumes."""

    env: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Excess:
    """Something nobody planned, the settings of `containers.conf` that ask for such things, and its name there."""

    what: str
    settings: tuple[str, ...]
    word: str = ""


@dataclass(frozen=True, slots=True)
class MadeContainer:
    """A container as Podman has made it; `store` is the directory of its storage, `id` the container's."""

    config: Mapping[str, Any]
    id: str
    store: Path
    image: ImageSettings = field(default_factory=ImageSettings)


def check_made(data: bytes, planned: Planned, config: Config, *, bundle: Path, container_id: str) -> None:
    """Raise SupervisorError when the `config.json` in `data` has anything that `planned` has not.

    `bundle` is the directory it lies in. The message names the `containers.conf` that asks for it, if one does.
    `config` is called only when there is an excess.
    """
    try:
        document: Any = json.loads(data) if len(data) <= MAX_CONFIG else None
        image = image_of(bundle, container_id, planned.image_stores)
        excess = next(excesses(MadeContainer(document, container_id, bundle.parents[2], image), planned, config), None)
    except (ValueError, TypeError, KeyError, AttributeError, IndexError, RecursionError) as error:
        raise SupervisorError("its configuration for the runtime cannot be read", hint=_RELAUNCH) from error
    if excess is None:
        return
    place = find_setting(excess.settings, excess.word, config().receipt_path)
    hint = f"take it out of {place[0]}, {place[1]}" if place else f"see {', '.join(excess.settings)} in containers.conf"
    raise SupervisorError(f"its launch did not ask for {excess.what}", hint=f"{hint}, then {_RELAUNCH}")


_RELAUNCH: Final = "remove it with `terok-sandbox rm NAME` and launch it again"


def excesses(made: MadeContainer, planned: Planned, config: Config) -> Iterator[Excess]:
    """Yield whatever `made` has beyond `planned`, or lacks of its confinement."""
    yield from _namespaces(made.config, planned)
    yield from _privileges(made.config, planned)
    yield from _devices(made.config, planned)
    yield from _mounts(made, planned, config)
    if planned.env is not None:
        yield from _environment(made, planned, frozenset(planned.env))


def image_of(bundle: Path, container_id: str, stores: Sequence[str] = ()) -> ImageSettings:
    """Return the settings of a container's image in Podman's storage or `stores`; none are allowed if not found."""
    containers = bundle.parents[1]
    images = containers.name.removesuffix("containers") + "images"
    for name, store in product(
        ("containers.json", "volatile-containers.json"), (containers.parent, *map(Path, stores))
    ):
        try:
            rows = json.loads((containers / name).read_bytes())
            image = next(str(row["image"]) for row in rows if row["id"] == container_id)
            key = base64.b64encode(f"sha256:{image}".encode()).decode()
            settings = json.loads((store / images / Path(image).name / f"={key}").read_bytes())["config"]
            return ImageSettings(frozenset(settings.get("Env") or ()), frozenset(settings.get("Volumes") or ()))
        except (OSError, ValueError, KeyError, TypeError, AttributeError, StopIteration):
            continue
    return ImageSettings()


def _namespaces(document: Mapping[str, Any], planned: Planned) -> Iterator[Excess]:
    found = {str(one["type"]): one.get("path") for one in document["linux"]["namespaces"]}
    wanted = _NAMESPACES | ({"user"} if planned.user_namespace else set())
    for kind in sorted(wanted - set(found)):
        yield Excess(f"the host's {kind} namespace", (f"{kind.removesuffix('work')}ns",))
    for kind, path in found.items():
        if path and not (kind == "network" and planned.own_network):
            yield Excess(f"another's {kind} namespace", (f"{kind.removesuffix('work')}ns",))


def _privileges(document: Mapping[str, Any], planned: Planned) -> Iterator[Excess]:
    process, linux = document["process"], document["linux"]
    allowed = {f"CAP_{name}" for name in planned.capabilities}
    held = {name for key in _SETS for name in (process.get("capabilities") or {}).get(key) or ()}
    if more := sorted(held - allowed):
        yield Excess(f"the capability {more[0]}", ("default_capabilities",))
    if planned.restricted and (process.get("noNewPrivileges") is not True or process["user"]["uid"] == 0):
        yield Excess("the means to gain privileges", ("no_new_privileges",))
    if (linux.get("seccomp") or {}).get("defaultAction", "SCMP_ACT_ALLOW") == "SCMP_ACT_ALLOW":
        yield Excess("system calls without a filter", ("seccomp_profile",))
    for key, path in _HIDDEN.items():
        if path not in (linux.get(key) or ()):
            yield Excess(f"{path} as it is on the host", ("privileged",))
    if planned.labels and not process.get("selinuxLabel"):
        yield Excess("running without an SELinux label", ("label",))


def _devices(document: Mapping[str, Any], planned: Planned) -> Iterator[Excess]:
    for device in document["linux"].get("devices") or ():
        if device["path"] not in planned.devices:
            yield Excess(f"the device {device['path']}", ("devices",), device["path"])


def _mounts(made: MadeContainer, planned: Planned, config: Config) -> Iterator[Excess]:
    wanted = {destination: (source, mode) for source, destination, mode in planned.mounts}
    seen = set()
    for mount in made.config["mounts"]:
        source, destination = str(mount.get("source", "")), str(mount["destination"])
        kind, options = str(mount.get("type") or "bind"), set(mount.get("options") or ())
        settings = ("volumes", "mounts", "devices", "tz", "init_path")
        excess = Excess(f"the mount {source} at {destination}", settings, destination)
        if destination in seen or "\0" in source:  # no path has a NUL
            yield excess
        elif destination in wanted:
            expected, mode = wanted[destination]
            same = kind == "tmpfs" == expected or os.path.realpath(source) == os.path.realpath(expected)
            if not same or (mode == "ro" and "ro" not in options):
                yield excess
        elif not (_usual(made, source, destination, kind, options) or {source, destination} <= {*planned.devices}) and (
            planned.env is not None or not _harmless(made, source, destination, kind, options, config)
        ):
            yield excess
        seen.add(destination)
    if missing := sorted(set(wanted) - seen):
        yield Excess(f"running without the mount {missing[0]}", ("volumes",), missing[0])


def _usual(made: MadeContainer, source: str, destination: str, kind: str, options: set[str]) -> bool:
    if kind != "bind":
        return kind in _KERNEL.get(destination, ())
    if destination in _INIT:
        return "ro" in options and _is_roots(source)
    if destination in _PODMANS:
        return source.endswith(f"-containers/{made.id}/userdata/{_PODMANS[destination]}")
    return destination in made.image.volumes and _volume(made, source, r"[0-9a-f]{64}")


def _harmless(made: MadeContainer, source: str, destination: str, kind: str, options: set[str], config: Config) -> bool:
    """Judge a mount of somebody who starts the container themselves as one of a launch would be."""
    from terok_sandbox.launch.mounts import check_mount_sources
    from terok_sandbox.launch.paths import check_container_path
    from terok_sandbox.values.launch import VolumeSpec

    try:
        check_container_path(destination)
        if kind == "bind" and not _volume(made, source, r"[A-Za-z0-9][A-Za-z0-9_.-]*"):
            check_mount_sources(
                [VolumeSpec(Path(source), destination, read_only="ro" in options)], config(), store=[str(made.store)]
            )
    except TerokError:
        return False
    return kind in ("bind", "tmpfs")


def _volume(made: MadeContainer, source: str, name: str) -> bool:
    return re.fullmatch(rf"{re.escape(str(made.store))}/volumes/{name}/_data", source) is not None


def _is_roots(path: str) -> bool:
    try:
        info = os.stat(path)  # noqa: PTH116 - follows links, as the runtime does
    except OSError:
        return False
    return info.st_uid in (0, _NOBODY) and not info.st_mode & 0o022


def _environment(made: MadeContainer, planned: Planned, digests: frozenset[str]) -> Iterator[Excess]:
    for setting in made.config["process"].get("env") or ():
        name, _, value = setting.partition("=")
        usual = {
            "PATH": setting == _DEFAULT_PATH,
            "TERM": value == "xterm",
            "HOME": value.startswith("/"),
            "HOSTNAME": value == planned.hostname,
            "container": value in ("podman", "oci"),
        }.get(name, name in planned.devices)
        if not (usual or setting in made.image.env or digest(setting) in digests):
            yield Excess(f"the variable {name}", ("env",), name)


def find_setting(settings: Sequence[str], word: str, receipt: Path) -> tuple[Path, str] | None:
    """Return the last file whose section `containers` has one of `settings`, with `word` in it, and which."""
    last = None
    for path in _conf_files(receipt):
        section = _containers_section(path)
        for setting in settings:
            if setting in section and word in json.dumps(section[setting], default=str):
                last = (path, setting)
    return last


def _conf_files(receipt: Path) -> Iterator[Path]:
    """Yield the files Podman may read, and those of the setup: a supervisor does not see the variables of a start."""
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    bases = [*map(Path, _SYSTEM_CONF), home / "containers/containers.conf"]
    yield from (file for base in bases for file in (base, *sorted(Path(f"{base}.d").glob("*.conf"))))
    named = [os.environ.get("CONTAINERS_CONF"), os.environ.get("CONTAINERS_CONF_OVERRIDE")]
    try:
        named.append(json.loads(receipt.read_bytes())["containers_conf"])
    except (OSError, ValueError, KeyError, TypeError):
        named.append(None)
    yield from (Path(name) for name in named if name)


def _containers_section(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            section = tomllib.loads(file.read(_MAX_CONF).decode()).get("containers")
    except (OSError, ValueError):
        return {}
    return section if isinstance(section, dict) else {}
