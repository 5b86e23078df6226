"""The processes of a container as the host's /proc shows them: who they are and what they may do."""

from __future__ import annotations

import re
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

MAX_BYTES = 4 * 1024 * 1024
PROC = Path("/proc")


@dataclass(frozen=True, slots=True)
class Process:
    """One process; capability sets are bit masks as in `capabilities(7)`, `uid` is as the container sees it."""

    pid: int
    host_uid: int
    uid: int | None
    cap_effective: int
    cap_bounding: int
    command: bytes
    """Arguments, each ended by a NUL."""
    environment: bytes | None
    """`NAME=value` entries, each ended by a NUL; None when it could not be read."""


def container_processes(first: int, *, proc: Path = PROC) -> tuple[Process, ...]:
    """Return every process in the PID namespace of `first`, a host process id, but those that end meanwhile."""
    found: list[Process] = []
    with suppress(OSError):
        namespace = (proc / str(first) / "ns" / "pid").readlink()
        for directory in sorted((one for one in proc.iterdir() if one.name.isdecimal()), key=lambda one: int(one.name)):
            with suppress(OSError, KeyError, ValueError):
                if (directory / "ns" / "pid").readlink() == namespace:
                    found.append(_read(directory))
    return tuple(found)


def is_own_address(pid: int, address: str, *, proc: Path = PROC) -> bool:
    """Tell whether the IPv4 `address` is local in the network namespace of process `pid`."""
    try:
        routes = (proc / str(pid) / "net" / "fib_trie").read_text()
    except OSError:
        return False
    return re.search(rf"-- {re.escape(address)}\n\s+/32 host LOCAL", routes) is not None


def parse_status(text: str) -> dict[str, str]:
    """Return the fields of a /proc/PID/status file."""
    pairs = (line.split(":", 1) for line in text.splitlines() if ":" in line)
    return {key: value.strip() for key, value in pairs}


def inside_uid(host_uid: int, uid_map: str) -> int | None:
    """Return what a uid of ours is called inside, by a /proc/PID/uid_map file; None if it is not mapped."""
    for line in uid_map.splitlines():
        fields = line.split()
        if len(fields) == 3 and all(field.isdigit() for field in fields):
            inside, outside, count = map(int, fields)
            if outside <= host_uid < outside + count:
                return inside + host_uid - outside
    return None


def _read(directory: Path) -> Process:
    status = parse_status((directory / "status").read_text("utf-8", "replace"))
    host_uid = int(status["Uid"].split()[1])
    return Process(
        pid=int(directory.name),
        host_uid=host_uid,
        uid=inside_uid(host_uid, (directory / "uid_map").read_text()),
        cap_effective=int(status["CapEff"], 16),
        cap_bounding=int(status["CapBnd"], 16),
        command=_bytes(directory / "cmdline") or b"",
        environment=_environment(directory),
    )


def _environment(directory: Path) -> bytes | None:
    """Read the environment; nobody may while a process is being started, so it is tried for a second."""
    for _ in range(20):
        environment = _bytes(directory / "environ")
        if environment is not None:
            return environment
        if _ended(directory):
            return b""
        time.sleep(0.05)
    return None


def _ended(directory: Path) -> bool:
    """Tell whether a process has ended and only waits to be reaped: it has no memory left that could be read."""
    try:
        return parse_status((directory / "status").read_text("utf-8", "replace"))["State"][:1] in "ZX"
    except (OSError, KeyError):
        return True


def _bytes(path: Path) -> bytes | None:
    try:
        with path.open("rb") as file:
            return file.read(MAX_BYTES)
    except PermissionError:
        return None
