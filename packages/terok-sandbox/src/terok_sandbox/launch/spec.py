"""Values a launch is asked for with.

Constructing them checks nothing: `terok_sandbox.launch.check.check_spec` judges a whole spec, so that every
refusal happens in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import field
from pathlib import Path

from terok_util.values import lean_dataclass

from terok_sandbox.sidecar import GateWiring, PolicyTiers
from terok_sandbox.values.launch import Enforcement, OptOut, VolumeSpec
from terok_sandbox.values.limits import Budget


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    """Services and policy that the supervisor gives the container.

    `scope` names the project that credentials and mirror belong to. `vault` and `gate` decide which services are
    there. `enforcement` and `budget` of `None` take the configuration's. `tiers` are policy lines, strongest
    tier first. `ssh_scope` names the scope whose SSH keys the container may sign with. `dossier` says who asks when
    a person is asked: short texts by name, such as `task` and `agent`. Nobody is asked about the names in `unasked`,
    which the program inside looks up by itself; a rule opens them as any other.
    """

    scope: str = ""
    vault: bool = True
    gate: GateWiring | None = None
    enforcement: Enforcement | None = None
    tiers: PolicyTiers = field(default_factory=PolicyTiers)
    budget: Budget | None = None
    ssh_scope: str | None = None
    unasked: tuple[str, ...] = ()
    dossier: Mapping[str, str] = field(default_factory=dict)


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class RunSpec:
    """One container to launch.

    `env` travels in a 0600 file, never in an argument; its values are single lines. `command` of `()` runs
    the image's own. `task_dir` is the host directory of the task, if it has one. `memory` is podman's notation
    (`4g`; three quarters of the host's unless given), `cpus` a number of CPUs, `pids` a number of processes
    (4096 unless given); each needs a cgroup controller and is left out, with a warning, where the host has none.
    `gpus` is `all`, a vendor (`nvidia`, `amd`, `intel`), one device of it (`nvidia:0`), or several of
    these with commas between. `timezone` is `local` or a name such as `Europe/Berlin`. `init` puts a small
    first process into the container that reaps orphans. `ephemeral` lets Podman remove the container when it has
    ended; the sandbox's own files of it go with `Sandbox.follow_to_removal`, `rm` or `doctor --fix`. `opt_outs`
    keeps parts of Podman's seccomp profile that ours takes away: `nested` (namespaces, mounts), `perf`,
    `debug` (ptrace). `unrestricted` lets `sudo` work inside; otherwise the container runs as uid 1000 with no
    capabilities and no new privileges. `sealed` copies volumes in instead of mounting them. `workdir` of
    `None` leaves the image's. `runtime` names an OCI runtime (`crun`, `runc`, `krun`); with `krun` the
    container is a microVM whose SSH port Podman publishes on the host's loopback, see
    `terok_sandbox.KrunRuntime`. `loopback_ports` are TCP ports of the host's loopback, up to eight, that
    the container reaches at its own. `annotations` are limited to `SAFE_ANNOTATION_KEYS`, `extra_args` to the
    podman arguments of `terok_sandbox.launch.extra`.
    """

    container_name: str
    image: str
    env: Mapping[str, str] = field(default_factory=dict)
    volumes: tuple[VolumeSpec, ...] = ()
    command: tuple[str, ...] = ()
    task_dir: Path | None = None
    memory: str | None = None
    cpus: float | None = None
    pids: int | None = None
    gpus: str | None = None
    extra_args: tuple[str, ...] = ()
    unrestricted: bool = True
    sealed: bool = False
    ephemeral: bool = False
    init: bool = True
    opt_outs: tuple[OptOut, ...] = ()
    timezone: str | None = None
    hostname: str | None = None
    annotations: Mapping[str, str] = field(default_factory=dict)
    runtime: str | None = None
    loopback_ports: tuple[int, ...] = ()
    workdir: str | None = "/workspace"
    wiring: Wiring = field(default_factory=Wiring)


def _nothing() -> None:
    return None


@lean_dataclass(frozen=True, slots=True, kw_only=True)
class LifecycleHooks:
    """Called around a launch, `post_ready` by whoever waits for that; an exception of `pre_start` cancels it."""

    pre_start: Callable[[], None] = _nothing
    post_start: Callable[[], None] = _nothing
    post_ready: Callable[[], None] = _nothing
    post_stop: Callable[[], None] = _nothing
