"""The daemon of a container, made from what Podman, the roster and the project say of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Final

from terok_util import ensure_dir, installed_version

from terok_acp.adapters.process import AdapterProcess, end_adapters
from terok_acp.conductor.state import CONTAINER_ROOT, Settings
from terok_acp.daemon.host import HostWatch
from terok_acp.daemon.host_rules import with_host
from terok_acp.daemon.server import serve
from terok_acp.daemon.told import Told
from terok_acp.endpoint import listening
from terok_acp.errors import AgentBindError, EndpointError
from terok_acp.integrations.sandbox import ContainerRuntime, Sandbox
from terok_acp.paths import state_dir
from terok_acp.roster.acp_roster import ACPRoster
from terok_acp.wall.paths import Roots
from terok_acp.wall.rules import Rules

DISTRIBUTION: Final = "terok-acp"


def serve_acp(
    container: str, path: Path, *, sandbox: Sandbox | None = None, agent: str | None = None, rules: Rules | None = None
) -> None:
    """Serve a running container's agents at a socket until the container ends; blocks.

    `agent` begins new sessions, by default the container's own; `rules` are what the project allows beyond the default.

    Raises:
        EndpointBusy: Another daemon serves it.
        EndpointError: The container does not run, or the socket cannot be used.
        EngineError: Podman did not answer.
    """
    box = sandbox if sandbox is not None else Sandbox()
    with listening(path) as listener:
        pid = box.runtime.container(container).pid
        if not pid:
            raise EndpointError(f"container {container} does not run", hint=f"podman start {container}")
        end_adapters(box.runtime, container)  # those of a daemon that was killed would still have our sessions
        roster = ACPRoster(container, sandbox=box)
        specs = {spec.agent: spec for spec in roster.agents()}

        def make(name: str) -> AdapterProcess:
            roster.equip(name)
            if name not in specs:
                raise AgentBindError(f"{name} is not an agent of {container}")
            return AdapterProcess(specs[name], container, box.runtime)

        workspace = workspace_of(box.runtime, container)
        settings = Settings(
            container=container,
            version=installed_version(DISTRIBUTION),
            workspace=workspace,
            default_agent=agent,
            rules=with_host(rules or Rules(), box.config, container, workspace),
            first_id=int(time.time() * 1000),
        )

        def watch(told: Told) -> HostWatch:
            return HostWatch(box, container, told)

        directory = state_dir(container)
        ensure_dir(directory)
        serve(settings, listener, roster=roster, make=make, state=directory, container_pid=pid, watch=watch)


def workspace_of(runtime: ContainerRuntime, container: str) -> Roots | None:
    """Return where a container's workspace is on the host, None if the host does not have it."""
    for mount in runtime.container(container).mounts:
        if mount.destination == CONTAINER_ROOT and mount.source.startswith("/"):
            return Roots(mount.source, CONTAINER_ROOT)
    return None
