"""Ending a process and all its descendants."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import time
from pathlib import Path
from typing import Protocol

GRACE = 2.0
"""Seconds between SIGTERM and SIGKILL."""
_REAP_LIMIT = 2.0
"""Seconds to wait for a killed process: one that is stuck in the kernel does not end."""


class HasPid(Protocol):
    """A process object: Popen or asyncio's Process."""

    @property
    def pid(self) -> int:
        """The process id."""


def kill_tree(target: int | HasPid, grace: float = GRACE) -> None:
    """End a process, its process group if it leads one, and its descendants: SIGTERM, `grace` seconds, SIGKILL.

    A Popen is reaped as well. A process that has ended already is not an error. Members are held by descriptor, so
    that a process ID that is reused in between is never signalled.
    """
    if not isinstance(target, int) and getattr(target, "returncode", None) is not None:
        return  # reaped: the ID may belong to another process by now
    tree = ProcessTree(target if isinstance(target, int) else target.pid)
    try:
        for number, seconds in ((signal.SIGTERM, grace), (signal.SIGKILL, _REAP_LIMIT)):
            tree.signal(number)
            tree.wait(seconds)
    finally:
        tree.close()
    if isinstance(target, subprocess.Popen):
        with contextlib.suppress(subprocess.TimeoutExpired):
            target.wait(_REAP_LIMIT)


class ProcessTree:
    """A process with its group and descendants at one moment, to be signalled as a whole."""

    def __init__(self, pid: int) -> None:
        if pid <= 1 or pid == os.getpid():
            raise ValueError(f"refusing to signal process {pid}")
        self._group: int | None = None
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # A child without a group of its own is in ours.
            if os.getpgid(pid) == pid:
                self._group = pid
        self._handles: list[int] = []
        for member in (pid, *_relatives(pid, self._group)):
            with contextlib.suppress(OSError):
                self._handles.append(os.pidfd_open(member))

    def signal(self, number: int) -> None:
        """Send signal `number` to all members that still run."""
        if self._group is not None:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._group, number)
        for handle in self._handles:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(handle, number)

    def wait(self, seconds: float) -> None:
        """Wait until all have ended, at most `seconds`."""
        deadline = time.monotonic() + seconds
        poller = select.poll()
        for handle in self._handles:
            poller.register(handle, select.POLLIN)
        left = len(self._handles)
        while left and (ended := poller.poll(max(0.0, deadline - time.monotonic()) * 1000)):
            for handle, _ in ended:
                poller.unregister(handle)
            left -= len(ended)

    def close(self) -> None:
        """Close the descriptors."""
        while self._handles:
            os.close(self._handles.pop())


def _relatives(pid: int, group: int | None) -> list[int]:
    """Return the other members of `group` and all descendants of `pid` whose parents are alive."""
    members: set[int] = set()
    children: dict[int, list[int]] = {}
    for entry in os.listdir("/proc"):  # noqa: PTH208 - hundreds of names, no Path objects needed
        if not entry.isdecimal():
            continue
        with contextlib.suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{entry}/stat").read_bytes().rpartition(b")")[2].split()
            children.setdefault(int(fields[1]), []).append(int(entry))
            if int(fields[2]) == group:
                members.add(int(entry))
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        members.update(below)
        waiting += below
    return sorted(members - {pid})
