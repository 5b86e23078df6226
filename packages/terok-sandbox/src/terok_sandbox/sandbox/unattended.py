"""The wall of a running container whose gateway does not answer: looked at and closed without it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Final, Literal, TypeVar

from terok_util import TerokError

from terok_sandbox.config import SandboxConfig
from terok_sandbox.config.model import RECORD_FILE
from terok_sandbox.errors import ContainerNotFound, NetnsError, ShieldError, SupervisorError
from terok_sandbox.netns.nft import NftChannel, spawn_nft
from terok_sandbox.shield.errors import ShieldNotRunning
from terok_sandbox.shield.live import LivePolicy
from terok_sandbox.shield.live_store import LiveVerdict, load_live
from terok_sandbox.shield.policy import Policy
from terok_sandbox.shield.ruleset.commands import posture_command
from terok_sandbox.shield.ruleset.layout import LOG_PREFIX, PASSING, TABLE, posture_chains
from terok_sandbox.sidecar import Sidecar
from terok_sandbox.supervise import client
from terok_sandbox.supervise.handover import FirstProcess, open_first_process, read_record, reopen_first_process
from terok_sandbox.values.posture import LIVE_FILE, Posture

T = TypeVar("T")

PATIENCE: Final = 5.0  # seconds that a gateway which is started anew has to answer


@contextmanager
def first_process(config: SandboxConfig, sidecar: Sidecar) -> Iterator[FirstProcess | None]:
    """Give the container's first process, `None` if it does not run; raises `EngineError` when nobody knows."""
    target = None
    with suppress(SupervisorError):  # it has ended, or was started by somebody else since
        target = reopen_first_process(read_record(sidecar.runtime_dir / RECORD_FILE))
    if target is None and (pid := _pid(config, sidecar.container_name)) > 0:
        target = open_first_process(pid)
    try:
        yield target
    finally:
        if target is not None:
            target.close()


def _pid(config: SandboxConfig, name: str) -> int:
    from terok_sandbox.runtime.podman import PodmanRuntime

    try:
        return PodmanRuntime(config).container(name).pid
    except ContainerNotFound:
        return 0


def posture_in_force(target: FirstProcess) -> Posture | Literal["none"]:
    """Return the posture that the rules in the kernel have, `none` where there are no rules of ours."""

    async def look(channel: NftChannel) -> str:
        return "".join([await channel.run(f"list chain {TABLE} {chain}") for chain in posture_chains("up")])

    try:
        listing = with_rules(target, look)
    except NetnsError:
        return "none"
    marks: dict[Posture, str] = {"quarantine": "refuse_quarantine"}
    marks |= {posture: f'"{LOG_PREFIX}{posture}"' for posture in PASSING}
    return next((posture for posture, mark in marks.items() if mark in listing), "up")


def close(target: FirstProcess, sidecar: Sidecar, wanted: Posture | LiveVerdict) -> None:
    """Bring a posture or denial into the kernel's rules (`NetnsError`), then to disk (`NotKept`, `ShieldError`)."""
    path = sidecar.gateway_dir / LIVE_FILE

    async def change(channel: NftChannel) -> None:
        # The strictest posture needs no policy: it closes although the state on disk cannot be read.
        if wanted == "quarantine":
            await channel.run(posture_command(wanted))
            try:
                load_live(path)
            except ShieldError:  # damaged: the container stays closed
                return
        live = LivePolicy(Policy.from_tiers(sidecar.shield.tiers), path, channel=channel)
        await (live.set_posture(wanted) if isinstance(wanted, str) else live.apply(wanted))

    with_rules(target, change)


def attend(
    config: SandboxConfig, sidecar: Sidecar, target: FirstProcess, answers: Callable[[], T], *, hangs: bool
) -> T:
    """Have the container attended to again, its gateway ended if it `hangs`, and return what `answers` does then."""
    name = sidecar.container_name
    try:
        client.status(config, name)
    except client.NotRunningError:
        client.redo_handover(config, name, target.pid)
    else:
        if hangs:
            client.end_worker(config, name, "gateway")
    return await_gateway(answers)


def await_gateway(answers: Callable[[], T]) -> T:
    """Return what `answers` does as soon as a gateway is there to ask; raises `TerokError` when none comes."""
    deadline = time.monotonic() + PATIENCE
    while True:
        try:
            return answers()
        except ShieldNotRunning:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.05)


def with_rules(target: FirstProcess, work: Callable[[NftChannel], Awaitable[T]]) -> T:
    """Run `work` with a channel to the rules of a container's network namespace; raises NetnsError."""

    async def go() -> T:
        channel = NftChannel(fds)
        try:
            return await work(channel)
        finally:
            channel.close()

    try:
        process, fds = spawn_nft(target.netns_fd)
    except TerokError as error:
        raise NetnsError(error.message, hint=error.hint) from error
    try:
        return asyncio.run(go())
    finally:
        process.kill()
        process.wait()
