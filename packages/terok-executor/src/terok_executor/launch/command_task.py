"""A command on one commit of a mirror, in a container of its own: no agent, no vault, no credential, nothing kept."""

from __future__ import annotations

import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from threading import Timer
from typing import Any

from terok_util import TerokError

from terok_executor.errors import RequestError
from terok_executor.integrations.sandbox import (
    GateWiring,
    GitGate,
    RunSpec,
    Sandbox,
    Sharing,
    VolumeSpec,
    Wiring,
    profile_tiers,
)
from terok_executor.launch.env import SEED_MOUNT, host_timezone
from terok_executor.launch.request import WORKSPACE
from terok_executor.paths import checked_container_name, clone_cache_dir
from terok_executor.roster.egress import allow_lines, without_providers
from terok_executor.roster.roster import AgentRoster
from terok_executor.roster.run_config import INIT, READY_MARKER, time_limit

START_SECONDS = 180.0
"""Seconds beyond a command's own limit, for the clone before it."""
_NOT_FETCHED = 128
_ENDED = (124, 137)
"""Exit codes of `timeout` for a command that it has ended, or had to kill."""
_FIELDS = frozenset({"env", "memory", "cpus", "gpus", "opt_outs", "unrestricted", "runtime"})


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRequest:
    """One command of a shell, run in `image` on `commit` of the mirror `scope`, on a branch called `branch` there.

    `timeout` is in seconds. `allow` and `profiles` are those of `AgentRequest`, `options` further fields of `RunSpec`:
    environment, memory, cpus and the like. The container may fetch from the gate and push to it.
    """

    name: str
    image: str
    scope: str
    commit: str
    branch: str
    command: str
    timeout: int
    allow: tuple[str, ...] = ()
    profiles: tuple[str, ...] | None = None
    options: dict[str, Any] = field(default_factory=dict)


def run_command(
    sandbox: Sandbox, roster: AgentRoster, request: CommandRequest, on_line: Callable[[str], None]
) -> int | None:
    """Run a command to its end, passing on what it prints, and return its exit code; None if its time was over.

    Nothing of the container is left, whatever happens, also when `on_line` raises to end it. RequestError if the
    repository could not be fetched or a field is wrong; errors of the sandbox pass.
    """
    name, config = checked_container_name(request.name), sandbox.config
    if unknown := request.options.keys() - _FIELDS:
        raise RequestError(f"a command has no option {min(unknown)}")
    gate = GitGate.open(request.scope, base=config.gate_base_path, config=config)
    _remove(sandbox, name)  # what a command that was killed has left
    token = sandbox.mint_gate_token()
    opened = profile_tiers(config, request.image, request.profiles, allow_lines(request.allow))
    wiring = Wiring(
        scope=request.scope,
        vault=False,
        gate=GateWiring.for_token(gate.path, request.scope, token),
        tiers=without_providers(opened, roster.providers),
    )
    spec = _spec(request, sandbox.gate_url(request.scope, token), wiring, gate.seed(clone_cache_dir()))
    return _followed(sandbox, request, sandbox.run(spec), on_line)


def _spec(request: CommandRequest, gate_url: str, wiring: Wiring, seed: Path | None) -> RunSpec:
    given = dict(request.options)
    env = {
        **given.pop("env", {}),
        "REPO_ROOT": WORKSPACE,
        "CODE_REPO": gate_url,
        "TEROK_WORK_BRANCH": request.branch,
        "TEROK_START": request.commit,
        "TEROK_DELIVER": "0",
    }
    volumes: tuple[VolumeSpec, ...] = ()
    if seed is not None:
        env["TEROK_SEED"] = SEED_MOUNT
        volumes = (VolumeSpec(seed, SEED_MOUNT, sharing=Sharing.SHARED, read_only=True),)
    return RunSpec(
        container_name=request.name,
        image=request.image,
        env=env,
        volumes=volumes,
        command=(INIT, *time_limit(request.timeout), "sh", "-c", request.command),
        timezone=host_timezone(),
        ephemeral=True,
        wiring=wiring,
        **given,
    )


def _followed(sandbox: Sandbox, request: CommandRequest, container: str, on_line: Callable[[str], None]) -> int | None:
    began = time.monotonic()
    late: list[bool] = []
    inside: list[bool] = []

    def take(line: str) -> None:
        if inside:
            on_line(line)
        elif line == READY_MARKER:
            inside.append(True)

    def end() -> None:
        late.append(True)
        _remove(sandbox, request.name)

    timer = Timer(request.timeout + START_SECONDS, end)  # what runs inside can free itself of the limit there
    timer.daemon = True
    timer.start()
    try:
        code = sandbox.follow_to_removal(request.name, container, take)
    except TerokError:
        if not late:
            raise
        return None
    finally:
        timer.cancel()
        _remove(sandbox, request.name)
    if code == _NOT_FETCHED and not inside:
        raise RequestError(f"the commit {request.commit[:12]} could not be fetched from the gate")
    over = time.monotonic() - began >= request.timeout and code in _ENDED
    return None if late or over else code


def _remove(sandbox: Sandbox, name: str) -> None:
    if sandbox.config.sidecar_path(name).exists():
        with suppress(TerokError):
            sandbox.rm(name)
