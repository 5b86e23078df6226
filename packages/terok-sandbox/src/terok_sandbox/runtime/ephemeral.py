"""Follow a container that Podman removes by itself: its output, its exit code, its removal, with no call of Podman.

Podman's monitor (conmon) is the parent of the container's first process. When that ends, the monitor writes the exit
code to a file, starts `podman container cleanup --rm`, waits for it and ends. The file goes with the container, a few
hundredths of a second later; whoever misses it asks Podman's own log of events.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Final, NamedTuple, Self

from terok_sandbox.descriptors import is_readable
from terok_sandbox.errors import EngineError, EngineTimeout
from terok_sandbox.runtime.engine import LONGEST, REMOVE_TIMEOUT, ask
from terok_sandbox.runtime.following import ContainerOutput, follow, open_child
from terok_sandbox.runtime.protocol import EphemeralEnd

_LOOK: Final = 0.002  # seconds between two looks for the exit code


class Monitor(NamedTuple):
    """Podman's monitor of one container, as its command line describes it."""

    pid: int
    exit_file: Path
    pid_file: Path
    bundle: Path

    @classmethod
    def read(cls, pid: int, container_id: str) -> Self | None:
        """Return process `pid` if it is the monitor of `container_id`."""
        try:
            words = Path(f"/proc/{pid}/cmdline").read_bytes().decode().split("\0")
            options = {flag: words[words.index(flag) + 1] for flag in ("-c", "-b", "-p", "--exit-dir")}
        except (OSError, ValueError, IndexError):
            return None
        if not container_id or options["-c"] != container_id:
            return None
        return cls(pid, Path(options["--exit-dir"], container_id), Path(options["-p"]), Path(options["-b"]))

    def exit_code(self) -> int | None:
        """Return the container's exit code while the file with it exists."""
        try:
            return int(self.exit_file.read_text())
        except (OSError, ValueError):
            return None


def follow_to_removal(
    container_id: str, *, log: Path, monitor_pid: Path, on_line: Callable[[str], None], timeout: float = LONGEST
) -> EphemeralEnd:
    """Call `on_line` for every line in `log` of a container until Podman has removed it, or raise EngineTimeout.

    `monitor_pid` is the file with its monitor's process ID; an exception of `on_line` ends the following and passes.
    """
    deadline = time.monotonic() + timeout
    with ExitStack() as opened:
        lines = opened.enter_context(ContainerOutput(log, on_line))
        lines.read()
        monitor = _running_monitor(monitor_pid, container_id, opened)
        code, removed = None, True
        if monitor is not None:
            described, pidfd = monitor
            code = _watch(described, pidfd, lines, deadline, opened)
            removed = not described.bundle.exists()
        lines.end()
    return EphemeralEnd(recorded_exit_code(container_id) if code is None else code, removed)


def recorded_exit_code(container_id: str) -> int:
    """Return the exit code that Podman's log of events has of a container; raises EngineError."""
    filters = ("--filter", f"container={container_id}", "--filter", "event=died")
    answer = ask(["events", "--stream=false", "--format", "json", *filters]).text
    codes: list[int] = []
    for line in answer.splitlines():
        with suppress(ValueError, KeyError, TypeError):
            codes.append(int(json.loads(line)["ContainerExitCode"]))
    if not codes:
        raise EngineError(
            f"the exit code of container {container_id[:12]} is not known", hint="see what `podman events` says"
        )
    return codes[-1]


def _running_monitor(path: Path, container_id: str, opened: ExitStack) -> tuple[Monitor, int] | None:
    """Return the monitor and a pidfd of it; None if it has ended, and Podman has removed the container by then."""
    try:
        pid = int(path.read_text())
        pidfd = os.pidfd_open(pid)
    except (OSError, ValueError):
        return None
    opened.callback(os.close, pidfd)
    monitor = Monitor.read(pid, container_id)  # after the pidfd, so that both are of one process
    return (monitor, pidfd) if monitor is not None else None


def _watch(monitor: Monitor, pidfd: int, lines: ContainerOutput, deadline: float, opened: ExitStack) -> int | None:
    process = None
    with suppress(OSError, ValueError):
        process = open_child(int(monitor.pid_file.read_text()), monitor.pid)
    if process is not None:
        opened.callback(os.close, process)
        if not follow(lines, process, deadline=deadline):
            raise EngineTimeout("the output did not end in time")
    code, latest = monitor.exit_code(), time.monotonic() + REMOVE_TIMEOUT
    while code is None and not is_readable(pidfd, _LOOK):
        code = monitor.exit_code()
        if time.monotonic() > latest:
            break
    if not is_readable(pidfd, latest - time.monotonic()):
        raise EngineTimeout("Podman's monitor has not ended", hint="see `podman ps --all`")
    return code
