"""Cutting a container off for good: first in the kernel, where nobody has to answer, then its services."""

from __future__ import annotations

from contextlib import suppress

from terok_sandbox.config import SandboxConfig
from terok_sandbox.config.model import RECORD_FILE
from terok_sandbox.errors import SupervisorError
from terok_sandbox.sandbox.unattended import close
from terok_sandbox.sidecar import Sidecar
from terok_sandbox.supervise import client
from terok_sandbox.supervise.handover import (
    FirstProcess,
    HandoverRecord,
    open_first_process,
    read_record,
    reopen_first_process,
)
from terok_sandbox.supervise.supervisor import end_workers


def cut_off(config: SandboxConfig, name: str, pid: int = 0) -> bool:
    """Quarantine container `name` and end its supervisor, and with it vault, gate and names; False if it does not run.

    Without `pid`, that of its first process, a container that nobody supervises is not found. Podman is not asked.
    Whatever is raised, the services have ended unless it is a SupervisorError; a NotKept says that the container is
    closed now, any other error that it may not be.
    """
    record = _record(config, name)
    try:
        return _quarantine(config, name, record, pid)
    finally:
        _end_services(config, name, record)


def _record(config: SandboxConfig, name: str) -> HandoverRecord | None:
    with suppress(SupervisorError):
        return read_record(config.container_runtime_dir(name) / RECORD_FILE)
    return None


def _quarantine(config: SandboxConfig, name: str, record: HandoverRecord | None, pid: int) -> bool:
    target = _target(record, pid)
    if target is None:
        return False
    try:
        close(target, Sidecar.load(config.sidecar_path(name)), "quarantine")
    finally:
        target.close()
    return True


def _target(record: HandoverRecord | None, pid: int) -> FirstProcess | None:
    if record is not None:
        with suppress(SupervisorError):  # it has ended, or was started by somebody else since
            return reopen_first_process(record)
    if pid > 0:
        with suppress(SupervisorError):  # it has just ended
            return open_first_process(pid)
    return None


def _end_services(config: SandboxConfig, name: str, record: HandoverRecord | None) -> None:
    """End the supervisor, which then starts no worker any more, and its workers without the time they would have."""
    try:
        client.stop_supervisor(config, name)
    finally:
        if record is not None:
            end_workers(record.workers, grace=0.0)
