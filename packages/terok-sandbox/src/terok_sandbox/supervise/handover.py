"""Receive a container's first process and network namespace, and check that they belong together."""

from __future__ import annotations

import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from terok_util import TerokError, atomic_write

from terok_sandbox.config import SandboxConfig
from terok_sandbox.descriptors import is_readable
from terok_sandbox.errors import SupervisorError
from terok_sandbox.launch.comparison import MAX_CONFIG, check_made
from terok_sandbox.sidecar import Sidecar
from terok_sandbox.supervise.frames import Frame

_RECORD_SCHEMA: Final = 1
_START_TIME_FIELD: Final = 19  # index of `starttime` among the fields after the command name in /proc/PID/stat


@dataclass(slots=True)
class FirstProcess:
    """A container's first process: the descriptors keep both it and its namespace from being mistaken."""

    container_id: str
    pid: int
    start_time: int
    netns_fd: int
    pidfd: int

    @property
    def netns_id(self) -> tuple[int, int]:
        """Device and inode of the network namespace."""
        info = os.fstat(self.netns_fd)
        return info.st_dev, info.st_ino

    @property
    def alive(self) -> bool:
        """Whether the process is still there."""
        return not is_readable(self.pidfd)

    def is_same_container(self, other: FirstProcess) -> bool:
        """Whether `other` is this container too: the same process, or a new start of the same container."""
        same_process = (self.pid, self.start_time) == (other.pid, other.start_time)
        return same_process or (self.container_id != "" and self.container_id == other.container_id)

    def close(self) -> None:
        """Close both descriptors."""
        os.close(self.netns_fd)
        os.close(self.pidfd)


@dataclass(frozen=True, slots=True)
class ProcessId:
    """A process and when it started, in clock ticks since boot: not to be mistaken for a later one of its number."""

    pid: int
    start_time: int


@dataclass(frozen=True, slots=True)
class HandoverRecord:
    """The content of `supervisor.json`: enough for another supervisor to take over."""

    pid: int
    sidecar: str
    container_id: str
    container: ProcessId
    netns: tuple[int, int]
    workers: dict[str, ProcessId] = field(default_factory=dict)

    def save(self, path: Path) -> bool:
        """Write the record at `path`; False if that fails: a full disk only costs the way back after a crash."""
        with suppress(OSError, TerokError):
            atomic_write(path, json.dumps({"schema": _RECORD_SCHEMA, **asdict(self)}) + "\n", mode=0o600)
            return True
        return False


def start_time(pid: int) -> int:
    """Return when `pid` started, in clock ticks since boot; raises OSError (ProcessLookupError) when it is gone."""
    try:
        text = Path(f"/proc/{pid}/stat").read_bytes()
    except FileNotFoundError as error:
        raise ProcessLookupError(f"no process {pid}") from error
    return int(text.rpartition(b")")[2].split()[_START_TIME_FIELD])


def receive_configuration(frame: Frame) -> bytes | None:
    """Return the runtime's configuration, the last descriptor of a `handover`; None if there is none."""
    if len(frame.descriptors) < 3:
        return None
    with os.fdopen(frame.descriptors.pop(), "rb") as file:
        return file.read(MAX_CONFIG + 1)


def check_planned(sidecar: Sidecar, frame: Frame, configuration: bytes | None) -> None:
    """Raise `SupervisorError` unless the container is what was planned."""
    if sidecar.planned is None:
        return
    if configuration is None:
        raise SupervisorError("the hook did not bring the container's configuration", hint="run `terok-sandbox setup`")
    bundle, container_id = Path(frame.text("bundle")), frame.text("container_id")
    check_made(configuration, sidecar.planned, SandboxConfig.load, bundle=bundle, container_id=container_id)


def receive_first_process(frame: Frame) -> FirstProcess:
    """Take the descriptors of a `handover`; raises `SupervisorError` when they do not fit the process."""
    pid, container_id = frame.number("pid"), frame.text("container_id")
    if len(frame.descriptors) != 2:
        raise SupervisorError("handover: two descriptors are needed, the network namespace and the process")
    netns_fd, pidfd = frame.descriptors
    try:
        lines = Path(f"/proc/self/fdinfo/{pidfd}").read_text().splitlines()
        if next(int(line[4:]) for line in lines if line.startswith("Pid:")) != pid:
            raise SupervisorError(f"handover: the descriptor is not that of process {pid}")
        target = FirstProcess(container_id, pid, start_time(pid), netns_fd, pidfd)
        theirs = os.stat(f"/proc/{pid}/ns/net")  # noqa: PTH116 - follows the namespace link
    except (OSError, ValueError, StopIteration) as error:  # without a process behind it a descriptor has no such line
        raise SupervisorError(f"handover: process {pid} cannot be examined: {error}") from error
    if (theirs.st_dev, theirs.st_ino) != target.netns_id:
        raise SupervisorError(f"handover: the network namespace is not that of process {pid}")
    if not target.alive:
        raise SupervisorError(f"handover: process {pid} has ended")
    _check_foreign(target)
    frame.descriptors.clear()  # they are the target's now
    return target


def open_first_process(pid: int, container_id: str = "") -> FirstProcess:
    """Open process and network namespace by number, as the hook would; raises `SupervisorError`."""
    opened: list[int] = []
    try:
        opened.append(os.pidfd_open(pid))
        opened.append(os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC))
        target = FirstProcess(container_id, pid, start_time(pid), netns_fd=opened[1], pidfd=opened[0])
    except OSError as error:
        for descriptor in opened:
            os.close(descriptor)
        raise SupervisorError(f"process {pid} cannot be opened: {error}") from error
    try:
        if not target.alive:
            raise SupervisorError(f"process {pid} has ended")
        _check_foreign(target)
    except SupervisorError:
        target.close()
        raise
    return target


def reopen_first_process(record: HandoverRecord) -> FirstProcess:
    """Find the container of `record` again; raises `SupervisorError` when it is not what was recorded."""
    target = open_first_process(record.container.pid, record.container_id)
    if target.start_time != record.container.start_time or target.netns_id != record.netns:
        target.close()
        raise SupervisorError(f"process {record.container.pid} is not the container's any more")
    return target


def read_record(path: Path) -> HandoverRecord:
    """Return the record at `path`; raises `SupervisorError` when there is none that can be used."""
    try:
        document: Any = json.loads(path.read_bytes())
        if document.pop("schema") != _RECORD_SCHEMA:
            raise ValueError("another schema")
        document["container"] = ProcessId(**document["container"])
        document["netns"] = (int(document["netns"][0]), int(document["netns"][1]))
        document["workers"] = {name: ProcessId(**process) for name, process in document["workers"].items()}
        return HandoverRecord(**document)
    except (OSError, ValueError, TypeError, KeyError, IndexError, AttributeError, RecursionError) as error:
        raise SupervisorError(f"{path}: no usable record of a supervised container") from error


def _check_foreign(target: FirstProcess) -> None:
    """Refuse this process's own network namespace, the host's: the rules of a container would close it to everybody."""
    mine = os.stat("/proc/self/ns/net")  # noqa: PTH116 - follows the namespace link
    if (mine.st_dev, mine.st_ino) == target.netns_id:
        raise SupervisorError(
            f"process {target.pid} is in this host's network namespace", hint="start it without `--network host`"
        )
