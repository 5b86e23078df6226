"""Which program asks: found by a front end on the host while the question is held, from the socket it was asked on.

Only processes of the user look here: a gateway may not. The name is the program's own word, a hint and no more.
"""

from __future__ import annotations

import os
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

from terok_util.text import safe_text

SECONDS: Final = 0.1
"""Processor time that it may take."""
_MAX_TABLE: Final = 1 << 20
_MAX_DESCRIPTORS: Final = 1024


def program_of(client: object) -> str:
    """Return the name of the program behind `client`, empty when it is not found in time.

    `client` is `[pid, protocol, port]`: the container's first process, as this host numbers it, and the port on the
    container's loopback from which its resolver or proxy was asked.
    """
    match client:
        case [int(pid), "tcp" | "udp" as protocol, int(port)]:
            with suppress(OSError):
                return _program(pid, protocol, port)
    return ""


def _program(pid: int, protocol: str, port: int) -> str:
    end = time.thread_time() + SECONDS
    if not (sockets := _sockets(pid, protocol, port)):
        return ""
    namespace = Path(f"/proc/{pid}/ns/net").stat().st_ino
    newest_first = sorted((int(one.name) for one in Path("/proc").iterdir() if one.name.isdigit()), reverse=True)
    for process in (Path(f"/proc/{one}") for one in newest_first):
        if time.thread_time() > end:
            break
        with suppress(OSError):  # it has ended, or is another user's
            if (process / "ns/net").stat().st_ino == namespace and _holds(process, sockets):
                return safe_text((process / "comm").read_bytes().strip(), limit=32)
    return ""


def _sockets(pid: int, protocol: str, port: int) -> set[str]:
    """Return what the sockets on `port` in the network namespace of process `pid` are called below `/proc`."""
    found = set()
    for table in (protocol, f"{protocol}6"):
        with Path(f"/proc/{pid}/net/{table}").open() as file:
            for words in map(str.split, file.read(_MAX_TABLE).splitlines()[1:]):
                if len(words) > 9 and words[1].endswith(f":{port:04X}") and words[9] != "0":
                    found.add(f"socket:[{words[9]}]")
    return found


def _holds(process: Path, sockets: set[str]) -> bool:
    with os.scandir(process / "fd") as descriptors:
        for _, one in zip(range(_MAX_DESCRIPTORS), descriptors, strict=False):
            with suppress(OSError):
                if str(Path(one.path).readlink()) in sockets:
                    return True
    return False
