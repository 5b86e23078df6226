"""HostFacts from podman itself, remembered until podman, its configuration or the boot changes."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from terok_util import atomic_write, ensure_dir
from terok_util.process import ToolNotFound, find_tool

from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import EngineError
from terok_sandbox.runtime.engine import ask, find_podman
from terok_sandbox.values.host import HostFacts, choose_network

FORMAT: Final = 7
INIT_PROGRAMS: Final = tuple(
    f"{directory}/catatonit"
    for directory in ("/usr/libexec/podman", "/usr/local/libexec/podman", "/usr/lib/podman", "/usr/local/lib/podman")
)
LOW_DISK: Final = 2 * 2**30  # bytes below which a launch says so
_BOOT_ID: Final = Path("/proc/sys/kernel/random/boot_id")
_CGROUPS: Final = Path("/sys/fs/cgroup")
_OWN_CGROUP: Final = Path("/proc/self/cgroup")


def host_facts(config: SandboxConfig) -> HostFacts:
    """Return the host's facts, from the cache when nothing they depend on has changed."""
    podman = find_podman()
    key = _cache_key(podman)
    cached = _read_cache(config.host_facts_path, key)
    if cached is not None:
        return cached
    facts = read_info(ask(["info", "--format", "json"]).stdout, podman)
    ensure_dir(config.state_dir)
    document = {"key": key, "facts": asdict(facts) | {"controllers": sorted(facts.controllers)}}
    atomic_write(config.host_facts_path, json.dumps(document), mode=0o600)
    return facts


def read_info(data: bytes, podman: str, *, init: bool | None = None) -> HostFacts:
    """Read the answer of `podman info --format json`; raises EngineError when it is incomplete."""
    try:
        info = json.loads(data)
        host, store = info["host"], info.get("store", {})
        version = parse_version(info["version"]["Version"])
        rootless = bool(host["security"]["rootless"])
        slirp, pasta = (bool((host.get(tool) or {}).get("executable")) for tool in ("slirp4netns", "pasta"))
        return HostFacts(
            podman=podman,
            version=version,
            rootless=rootless,
            controllers=frozenset(str(name) for name in host["cgroupControllers"] or ()),
            runtime=str(host["ociRuntime"]["name"]),
            network=choose_network(version, rootless=rootless, slirp=slirp, pasta=pasta),
            init=has_init() if init is None else init,
            selinux=host["security"].get("selinuxEnabled") is True,
            store=tuple(str(store[key]) for key in ("graphRoot", "runRoot") if store.get(key)),
            memory=int(host.get("memTotal") or 0),
            image_stores=_image_stores(store.get("graphOptions") or {}),
        )
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise EngineError("the answer of `podman info` cannot be read", hint="podman 4.3 or newer is needed") from error


def _image_stores(options: dict[str, Any]) -> tuple[str, ...]:
    named = [value for key, value in options.items() if key.lower().endswith(("imagestore", "imagestores"))]
    texts = [str(one) for value in named for one in (value if isinstance(value, list) else [value])]
    return tuple(path for text in texts for path in text.split(",") if path.startswith("/"))


def parse_version(text: str) -> tuple[int, int, int]:
    """Return the three numbers at the start of a version such as `4.3.1` or `5.0.0-rc1`; ValueError if none."""
    match = re.match(r"(\d{1,6})\.(\d{1,6})(?:\.(\d{1,6}))?", text)
    if match is None:
        raise ValueError(f"invalid version {text!r}")
    return int(match[1]), int(match[2]), int(match[3] or 0)


def low_disk(store: Iterable[str]) -> str:
    """Return a line about a nearly full disk with one of `store`, as nothing else limits what a container writes."""
    for path in store:
        with suppress(OSError):
            room = os.statvfs(path)
            free = room.f_bavail * room.f_frsize
            if free < LOW_DISK:
                return f"{path}: only {free / 2**30:.1f} GiB are free, and containers write there without a limit"
    return ""


def has_init() -> bool:
    """Tell whether podman finds the program that `--init` puts into a container."""
    return any(os.access(path, os.X_OK) for path in INIT_PROGRAMS)


def _cache_key(podman: str) -> list[Any]:
    """Everything the facts depend on, as far as a few `stat` calls tell."""
    home = os.environ.get("XDG_CONFIG_HOME") or str(Path.home() / ".config")
    files = [
        podman,
        *(path for tool in ("slirp4netns", "pasta") if (path := _place(tool))),
        os.environ.get("CONTAINERS_CONF") or f"{home}/containers/containers.conf",
        "/etc/containers/containers.conf",
        os.environ.get("CONTAINERS_STORAGE_CONF") or f"{home}/containers/storage.conf",
        "/etc/containers/storage.conf",
        *INIT_PROGRAMS,
    ]
    boot = _BOOT_ID.read_text().strip()
    return [FORMAT, os.geteuid(), boot, _delegated(), [_identity(path) for path in files]]


def _delegated() -> list[str]:
    """Return the cgroup controllers of this user's manager and of this process: a new login may have others."""
    uid = os.geteuid()
    own = _read(_OWN_CGROUP).rpartition("::")[2].strip().removeprefix("/")
    groups = (f"user.slice/user-{uid}.slice/user@{uid}.service", own)
    return [_read(_CGROUPS / group / "cgroup.controllers").strip() for group in groups]


def _read(path: Path) -> str:
    try:
        return path.read_text()
    except OSError:
        return ""


def _place(tool: str) -> str | None:
    try:
        return find_tool(tool)
    except ToolNotFound:
        return None


def _identity(path: str) -> list[Any]:
    try:
        info = Path(path).stat()
    except OSError:
        return [path, 0, 0]
    return [path, info.st_mtime_ns, info.st_size]


def _read_cache(path: Path, key: list[Any]) -> HostFacts | None:
    try:
        document = json.loads(path.read_bytes())
        if document["key"] != key:
            return None
        raw = document["facts"]
        lists = {name: tuple(raw[name]) for name in ("version", "store", "image_stores")}
        return HostFacts(**raw | lists | {"controllers": frozenset(raw["controllers"])})
    except (OSError, ValueError, KeyError, TypeError, RecursionError):
        return None  # no cache or a damaged one: podman is asked again
