"""Sandbox: launch, start, stop and remove hardened containers.

A launch either ends with a container whose supervision was verified, or leaves nothing behind.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from terok_util import TerokError

from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import EngineError, EngineTimeout, LaunchError, NameTaken, SpecError, SupervisionError
from terok_sandbox.launch.argv import plan_launch
from terok_sandbox.launch.check import check_container_name, check_spec
from terok_sandbox.launch.gpu import cdi_grants, installed_cdi_devices
from terok_sandbox.launch.mounts import check_mount_sources
from terok_sandbox.launch.resources import (
    allocate_per_container_resources,
    file_identity,
    launch_lock,
    launch_paths,
    settling,
    write_launch,
)
from terok_sandbox.launch.spec import LifecycleHooks, RunSpec
from terok_sandbox.launch.supervision import HOOK_LOG, LaunchSupervisor, check_host, hook_heard
from terok_sandbox.runtime.probe import low_disk
from terok_sandbox.runtime.protocol import Container, ContainerRuntime, RemoveResult
from terok_sandbox.sandbox.removal import forget_container, is_sandboxed, remove_container
from terok_sandbox.values.host import ContainerState
from terok_sandbox.values.launch import LaunchPlan
from terok_sandbox.values.limits import Decision, Whose
from terok_sandbox.vault_addr import LOOPBACK_GATE_PORT, LOOPBACK_HOST

if TYPE_CHECKING:
    from terok_sandbox.activity.client import ActivityFeed
    from terok_sandbox.sandbox.shield import Shield, ShieldState
    from terok_sandbox.sandbox.watching import HostView


_OVER: Final = frozenset({ContainerState.MISSING, ContainerState.CREATED, ContainerState.EXITED})
"""States in which no process of a container runs."""


class _Ready(Exception):
    """Ends the following of a log."""


class Sandbox:
    """Hardened containers of one user, on Podman unless given a fake; `warn` gets a line for each thing left out."""

    def __init__(
        self,
        config: SandboxConfig | None = None,
        *,
        runtime: ContainerRuntime | None = None,
        supervision: LaunchSupervisor | None = None,
        warn: Callable[[str], None] | None = None,
    ) -> None:
        self.config = config or SandboxConfig.load()
        self._runtime = runtime
        self._supervision = supervision
        self._warn = warn

    @property
    def runtime(self) -> ContainerRuntime:
        """The container engine."""
        if self._runtime is None:
            from terok_sandbox.runtime.podman import PodmanRuntime

            self._runtime = PodmanRuntime(self.config)
        return self._runtime

    @property
    def supervision(self) -> LaunchSupervisor:
        """The supervising side."""
        if self._supervision is None:
            from terok_sandbox.sandbox.hook_supervisor import HookSupervisor

            self._supervision = HookSupervisor()
        return self._supervision

    def check(self, spec: RunSpec, *, new_name: bool = False) -> None:
        """Raise what `run` would before it has any effect; `new_name` also asks Podman for a container of that name."""
        check_spec(spec)  # a wrong value is wrong on any host
        check_host(self.config, self.supervision)
        self._plan(spec)
        self._refuse_taken_name(spec.container_name, certain=new_name)

    @contextmanager
    def claim(self, name: str) -> Iterator[Claim]:
        """Keep `name` from other commands for a launch, and clear away what an old container left, tokens above all.

        Raises SetupRequired, NameTaken, ContainerBusy.
        """
        check_host(self.config, self.supervision)
        with launch_lock(self.config, check_container_name(name)):
            if self._refuse_taken_name(name):
                forget_container(self.config, self.supervision, name)
            claim = Claim(name, self._launch)
            yield claim
        claim.post_start()

    def run(self, spec: RunSpec, hooks: LifecycleHooks | None = None) -> str:
        """Launch a container and return its ID once its supervision is verified; if that fails, nothing is left.

        Raises SetupRequired, SpecError, PrerequisiteMissing, ImageNotFound, NameTaken, LaunchError.
        """
        with self.claim(spec.container_name) as claim:
            return claim.run(spec, hooks)

    def create(self, spec: RunSpec, hooks: LifecycleHooks | None = None) -> str:
        """Create a `sealed` container with its volumes copied in and return its ID; `start` starts it."""
        if not spec.sealed:
            raise LaunchError("only a sealed container can be created without being started", hint="use Sandbox.run")
        with self.claim(spec.container_name):
            return self._launch(spec, hooks or LifecycleHooks(), start=False)

    def start(self, name: str, hooks: LifecycleHooks | None = None) -> None:
        """Start a stopped container; raises LaunchError, and stops it again when its supervision fails."""
        hooks = hooks or LifecycleHooks()
        check_host(self.config, self.supervision)
        if not self.config.sidecar_path(check_container_name(name)).exists():
            raise LaunchError(f"there is no sandboxed container {name}", hint="see `terok-sandbox list`")
        hooks.pre_start()
        with launch_lock(self.config, name):
            self.config.ensure_container_dirs(name)
            try:
                self._start(name)
            except BaseException as error:
                if isinstance(error, SupervisionError):
                    self.runtime.container(name).stop(0)
                if not self._may_live(name):
                    self.supervision.end(self.config, name)
                raise
        hooks.post_start()

    def stop(self, names: str | Iterable[str], timeout: int | None = None, hooks: LifecycleHooks | None = None) -> None:
        """Stop containers, killing each after `timeout` seconds (default: the configuration's)."""
        grace = self.config.shutdown_timeout if timeout is None else timeout
        if grace < 0:
            raise SpecError(f"invalid timeout {grace}", hint="use a number of seconds, 0 or more")
        for name in _names(names):
            if not is_sandboxed(self.config, self.runtime, name):
                raise LaunchError(f"container {name} is not sandboxed", hint=f"stop it with `podman stop {name}`")
            self.runtime.container(name).stop(grace)
        if hooks is not None:
            hooks.post_stop()

    def rm(self, names: str | Iterable[str]) -> list[RemoveResult]:
        """Remove containers, those of the sandbox, with all that is theirs; one that stays keeps its sidecar."""
        return [remove_container(self.config, self.runtime, self.supervision, name) for name in _names(names)]

    def pre_start_args(self, spec: RunSpec) -> list[str]:
        """Return the podman arguments that make the caller's own `podman run` (or `create`) a sandboxed one.

        Of `spec` its image, command, environment and working directory are the caller's own business and not used.
        The sidecar and the other files are written, and a supervisor waits: if the container is never started,
        `cleanup` takes them back. Raises as `run` does.
        """
        name = spec.container_name
        with self.claim(name):
            plan, mounts = self._plan(spec)
            self._tell(plan)
            if plan.copies:
                raise SpecError("files cannot be copied into a container that somebody else creates", hint="mount them")
            self._refuse_taken_name(name, certain=True)
            try:
                write_launch(self.config, spec, replace(plan, planned=plan.planned.borrowed()), mounts)
                launch_paths(self.config, name).env_file.unlink(missing_ok=True)
                self.supervision.prepare(self.config, name)
            except BaseException:
                self._clean_up(name, keep_container=True)
                raise
        return list(plan.options)

    def cleanup(self, name: str) -> None:
        """Undo `pre_start_args` for a container that has ended or was never started; LaunchError while it runs."""
        with launch_lock(self.config, check_container_name(name)):
            if self.runtime.container(name).state not in _OVER:
                raise LaunchError(f"container {name} still runs", hint=f"stop it with `podman stop {name}` first")
            forget_container(self.config, self.supervision, name)

    def copy_to(self, name: str, source: Path, destination: str) -> None:
        """Copy a file, or the contents of a directory, into a container."""
        self.runtime.container(name).copy_in(source, destination)

    def wait_for_exit(self, name: str, timeout: float | None = None) -> int:
        """Return the exit code once the container has ended; EngineTimeout (a TimeoutError) after `timeout` seconds."""
        return self.runtime.container(name).wait(timeout)

    def follow_to_removal(self, name: str, container_id: str, on_line: Callable[[str], None]) -> int:
        """Call `on_line` for every line of an ephemeral container, and return its exit code with nothing of it left."""
        paths, container = launch_paths(self.config, name), self.runtime.container(name)
        sidecar = file_identity(paths.sidecar)
        end = container.follow_to_removal(container_id, log=paths.log, monitor_pid=paths.monitor_pid, on_line=on_line)
        with launch_lock(self.config, name):
            if end.removed and file_identity(paths.sidecar) == sidecar:  # else another launch has taken the name
                forget_container(self.config, self.supervision, name)
        if not end.removed:
            self.rm(name)
        return end.exit_code

    def stream_logs(
        self, name: str, timeout: float, ready_check: Callable[[str], bool], *, since: str | None = None
    ) -> bool:
        """Read output (since RFC 3339) until `ready_check` accepts a line; `False` at its end or after `timeout`."""

        def see(line: str) -> None:
            if ready_check(line):
                raise _Ready

        try:
            self.runtime.container(name).follow_logs(see, timeout=timeout, since=since)
        except _Ready:
            return True
        except EngineTimeout:
            return False
        return False

    def mint_gate_token(self) -> str:
        """Return a new token for the git gate; the sidecar gets its hash through `GateWiring.for_token`."""
        return f"terok-g-{os.urandom(16).hex()}"

    def gate_url(self, name: str, token: str) -> str:
        """Return the URL by which a container reaches the mirror served as `name`."""
        return f"http://{token}@{LOOPBACK_HOST}:{LOOPBACK_GATE_PORT}/{name.removesuffix('.git')}.git"

    def shield(self, name: str) -> Shield:
        """Return the wall of a sandboxed container, which need not run; ShieldError if there is none."""
        from terok_sandbox.sandbox.shield import Shield

        return Shield(name, self.config, warn=self._warn)

    def shield_state(self, name: str) -> ShieldState:
        """Return posture, enforcement and live verdicts of a container's wall."""
        return self.shield(name).state()

    def shield_up(self, name: str) -> None:
        """Enforce a container's policy."""
        self.shield(name).up()

    def shield_down(self, name: str, *, disengage: bool = False) -> None:
        """Let through what no rule of a container decides, or everything."""
        self.shield(name).down(disengage=disengage)

    def shield_quarantine(self, name: str) -> None:
        """End every connection of a container and let nothing out."""
        self.shield(name).quarantine()

    def activity(self, name: str) -> ActivityFeed:
        """Return the feed of container `name`: `read` it once, or follow it as an asynchronous context manager."""
        return self._view(name).feed()

    def budget(self, name: str) -> dict[str, Any]:
        """Return how the limits of a running container stand: `on_limit`, and `limits` as budget facts; BudgetError."""
        return self._view(name).ask_budget()

    def decide_budget(
        self, name: str, answer: Decision, *, limit: str = "", most: float = 0.0, whose: Whose = "task"
    ) -> dict[str, Any]:
        """Carry out a person's decision for calls over a limit, and return what `budget` does; BudgetError.

        `raise` sets `limit` of the task or its project to `most`; `finish` lets calls through until the turn has ended:
        none under way for a minute, an hour at most; `stop` refuses what waits and what follows.
        """
        return self._view(name).ask_budget(answer=answer, limit=limit, most=most, whose=whose)

    def _view(self, name: str) -> HostView:
        from terok_sandbox.sandbox.watching import HostView

        return HostView(self.config, self.runtime, check_container_name(name))

    def _launch(self, spec: RunSpec, hooks: LifecycleHooks, *, start: bool = True) -> str:
        name = spec.container_name
        plan, mounts = self._plan(spec)
        self._tell(plan)
        try:
            write_launch(self.config, spec, plan, mounts)
            hooks.pre_start()
            return self._carry_out(plan, start=start)
        except BaseException as error:
            self._clean_up(name, keep_container=isinstance(error, NameTaken))
            raise

    def _plan(self, spec: RunSpec) -> tuple[LaunchPlan, tuple[tuple[str, str], ...]]:
        name = check_container_name(spec.container_name)
        allocate_per_container_resources(self.config, name)
        facts, enforcement = self.runtime.host_facts(), spec.wiring.enforcement or self.config.shield_mode
        asked = {*spec.opt_outs, *self.config.seccomp_opt_outs}
        plan = plan_launch(
            replace(spec, opt_outs=tuple(sorted(asked))),
            facts,
            launch_paths(self.config, name),
            enforcement=enforcement,
            cdi_devices=installed_cdi_devices() if spec.gpus else (),
            cdi_grants=cdi_grants() if spec.gpus else (),
        )
        mounts = check_mount_sources(spec.volumes, self.config, store=facts.store)
        copied = {str(volume.host_path) for volume in plan.copies}
        return plan, tuple(mount for mount in mounts if mount[0] not in copied)

    def _tell(self, plan: LaunchPlan) -> None:
        """Warn of what a launch has to leave out, and of a full disk."""
        if self._warn is not None:
            for line in filter(None, (*plan.warnings, low_disk(self.runtime.host_facts().store))):
                self._warn(line)

    def _refuse_taken_name(self, name: str, *, certain: bool = False) -> bool:
        """Raise NameTaken for a name in use; return whether files of a former container are left.

        Podman refuses a second container of a name itself. It is asked if there are files of one, or to be `certain`.
        """
        left = self.config.sidecar_path(name).exists()
        if (left or certain) and self.runtime.container(name).state is not ContainerState.MISSING:
            raise NameTaken(
                f"a container named {name} exists already",
                hint=f"choose another name, or remove it with `terok-sandbox rm {name}`",
            )
        return left

    def _carry_out(self, plan: LaunchPlan, *, start: bool) -> str:
        env_file = launch_paths(self.config, plan.name).env_file
        began = time.time()
        if not plan.sealed:  # the hook, which Podman runs, has to find a supervisor
            self.supervision.prepare(self.config, plan.name)
        try:
            heard = hook_heard(self.config.container_state_dir(plan.name) / HOOK_LOG)
            with settling(self.config, plan.name), heard:
                container_id = self.runtime.launch(plan)
        finally:
            env_file.unlink(missing_ok=True)  # Podman has read it; it holds tokens
        container = self.runtime.container(plan.name)
        for volume in plan.copies:
            container.copy_in(volume.host_path, volume.container_path)
        if plan.sealed and start:
            self._start(plan.name)
        elif not plan.sealed:
            self._verify(container, began, container_id)
        return container_id

    def _start(self, name: str) -> None:
        container = self.runtime.container(name)
        began = time.time()
        self.supervision.prepare(self.config, name)
        with hook_heard(self.config.container_state_dir(name) / HOOK_LOG):
            container.start()
        self._verify(container, began)

    def _verify(self, container: Container, since: float, known_id: str = "") -> None:
        if problem := self.supervision.verify(self.config, container, since, known_id=known_id):
            raise SupervisionError(
                f"container {container.name} came up without supervision and was stopped: {problem}",
                hint="run `terok-sandbox doctor`",
            )

    def _may_live(self, name: str) -> bool:
        try:
            return self.runtime.container(name).state not in _OVER
        except EngineError:
            return True

    def _clean_up(self, name: str, *, keep_container: bool) -> None:
        """Undo a failed launch without hiding why it failed."""
        try:
            if not keep_container and (error := self.runtime.force_remove([name])[0].error):
                raise LaunchError(f"{error}; `terok-sandbox rm {name}` tries again")
            forget_container(self.config, self.supervision, name)
        except (TerokError, OSError) as error:
            if self._warn is not None:
                self._warn(f"clearing away after the failed launch of {name}: {error}")


class Claim:
    """A name that is kept for one launch until the block of `Sandbox.claim` ends."""

    def __init__(self, name: str, launch: Callable[[RunSpec, LifecycleHooks], str]) -> None:
        self._name = name
        self._launch = launch
        self.post_start: Callable[[], None] = lambda: None

    def run(self, spec: RunSpec, hooks: LifecycleHooks | None = None) -> str:
        """Launch the container as `Sandbox.run` does; `hooks.post_start` is called once the name is free again."""
        if spec.container_name != self._name:
            raise SpecError(f"the claimed name is {self._name}, not {spec.container_name}")
        hooks = hooks or LifecycleHooks()
        container_id = self._launch(spec, hooks)
        self.post_start = hooks.post_start
        return container_id


def _names(names: str | Iterable[str]) -> list[str]:
    return [check_container_name(name) for name in ([names] if isinstance(names, str) else names)]
