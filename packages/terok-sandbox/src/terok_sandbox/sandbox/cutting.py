"""Cutting a container off for good, without anybody who would have to answer: not its services, and not Podman."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import replace

from terok_sandbox.config import SandboxConfig
from terok_sandbox.config.model import RECORD_FILE
from terok_sandbox.errors import SandboxError, SupervisorError
from terok_sandbox.netns.nft import NftChannel
from terok_sandbox.sandbox.unattended import with_rules
from terok_sandbox.shield.live_store import load_live, save_live
from terok_sandbox.shield.ruleset.commands import posture_command
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
from terok_sandbox.values.posture import LIVE_FILE


def close_off(config: SandboxConfig, name: str, pid: int = 0) -> bool:
    """Quarantine container `name` in the kernel, and return whether it runs.

    Without `pid`, that of its first process, a container that nobody supervises is not found. NetnsError says that it
    runs and may be open.
    """
    target = _target(_record(config, name), pid)
    if target is None:
        return False

    async def close(channel: NftChannel) -> None:
        await channel.run(posture_command("quarantine"))

    try:
        with_rules(target, close)
    finally:
        target.close()
    return True


def end_services(config: SandboxConfig, name: str) -> None:
    """End vault, gate, names and supervisor of a container at once; it stays closed. Raises SupervisorError."""
    record = _record(config, name)
    if record is not None:
        _keep_closed(config, name)
    try:
        client.stop_supervisor(config, name)  # it starts no worker any more
    finally:
        if record is not None:
            end_workers(record.workers, grace=0.0)


def _keep_closed(config: SandboxConfig, name: str) -> None:
    """Have whoever supervises the container next find it closed; a state that cannot be read is that already."""
    with suppress(SandboxError, OSError):
        path = Sidecar.load(config.sidecar_path(name)).gateway_dir / LIVE_FILE
        save_live(path, replace(load_live(path), posture="quarantine"))


def _record(config: SandboxConfig, name: str) -> HandoverRecord | None:
    with suppress(SupervisorError):
        return read_record(config.container_runtime_dir(name) / RECORD_FILE)
    return None


def _target(record: HandoverRecord | None, pid: int) -> FirstProcess | None:
    if record is not None:
        with suppress(SupervisorError):  # it has ended, or was started by somebody else since
            return reopen_first_process(record)
    if pid > 0:
        with suppress(SupervisorError):  # it has just ended
            return open_first_process(pid)
    return None
