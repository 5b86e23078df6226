"""AgentRunner: one agent, one repository, one hardened container."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from terok_util import remove_tree, safe_text

from terok_executor.errors import ExecutorError
from terok_executor.follow import STOP_SECONDS, Outcome, follow
from terok_executor.image.reference import DEFAULT_BASE_IMAGE
from terok_executor.integrations.sandbox import EngineError, GitGate, PrerequisiteMissing, Sandbox
from terok_executor.launch.command import terminal_command
from terok_executor.launch.headless import start_headless
from terok_executor.launch.request import HeadlessRequest, check_request
from terok_executor.launch.task_files import RunRecord, load_record
from terok_executor.paths import task_dir
from terok_executor.result import RunResult, collect_result
from terok_executor.roster.roster import AgentRoster

if TYPE_CHECKING:
    from terok_executor.integrations.sandbox import ByteProcess, ContainerRuntime, LifecycleHooks, SandboxConfig
    from terok_executor.launch.instructions import Instructions

READY_MARKER = ">> init complete"
READY_SECONDS = 120.0


class AgentRunner:
    """Runs agents and looks after their containers.

    ``sandbox`` and ``runtime`` must share one backend, else ValueError. ``on_line`` gets progress lines of image builds
    and launches; by default they go to standard error. ``image`` names a ready image instead of building one.
    """

    def __init__(
        self,
        *,
        sandbox: Sandbox | None = None,
        runtime: ContainerRuntime | None = None,
        roster: AgentRoster | None = None,
        base_image: str = DEFAULT_BASE_IMAGE,
        image: str | None = None,
        cfg: SandboxConfig | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        if sandbox is not None and runtime is not None and sandbox.runtime is not runtime:
            raise ValueError("sandbox and runtime have different backends")
        self._sandbox = sandbox
        self._runtime = runtime
        self._roster = roster
        self._config = cfg
        self._base_image = base_image
        self._image = image
        self._on_line = on_line or _to_stderr

    @property
    def sandbox(self) -> Sandbox:
        """The sandbox that containers are launched through."""
        if self._sandbox is None:
            self._sandbox = Sandbox(self._config, runtime=self._runtime)
        return self._sandbox

    @property
    def runtime(self) -> ContainerRuntime:
        """The container engine."""
        return self.sandbox.runtime

    @property
    def roster(self) -> AgentRoster:
        """The agents and providers known."""
        if self._roster is None:
            self._roster = AgentRoster.load()
        return self._roster

    def run_headless(
        self,
        provider: str,
        repo: str,
        *,
        prompt: str,
        branch: str | None = None,
        model: str | None = None,
        max_turns: int | None = None,
        timeout: int = 1800,
        name: str | None = None,
        follow: bool = False,
        unrestricted: bool = True,
        memory: str | None = None,
        cpus: float | None = None,
        hooks: LifecycleHooks | None = None,
        human_name: str | None = None,
        human_email: str | None = None,
        authorship: str | None = None,
        instructions: Instructions = None,
        shared_dir: Path | None = None,
        shared_mount: str = "/shared",
        timezone: str | None = None,
        task_id: str = "",
        bound_provider: str | None = None,
        credential_set: str = "default",
        allow: Iterable[str] = (),
    ) -> str:
        """Run an agent on a repository without a terminal and return the container's name.

        ``provider`` is the agent's name in the roster, ``bound_provider`` the model provider it is to use instead of
        its own. ``repo`` is a directory or an https URL. The agent ends after ``timeout`` seconds. ``allow`` opens
        destinations (``HOST:PORT``). With ``follow`` the output is printed and the call returns when the agent has
        ended.

        Raises RosterError, RequestError, PrerequisiteError, BuildError, CredentialMissingError, and what the sandbox
        raises;
        nothing of a run that failed to start is left.
        """
        request = HeadlessRequest(
            agent=provider,
            repo=repo,
            prompt=prompt,
            branch=branch,
            model=model,
            max_turns=max_turns,
            timeout=timeout,
            name=name,
            unrestricted=unrestricted,
            memory=memory,
            cpus=cpus,
            timezone=timezone,
            authorship=authorship,
            human_name=human_name,
            human_email=human_email,
            instructions=instructions,
            shared_dir=shared_dir,
            shared_mount=shared_mount,
            provider=bound_provider,
            credential_set=credential_set,
            allow=tuple(allow),
            base_image=self._base_image,
            task_id=task_id,
        )
        record = self.start(request, hooks=hooks)
        if follow:
            self.follow(record.container, _to_stdout)
        return record.container

    def start(self, request: HeadlessRequest, *, hooks: LifecycleHooks | None = None) -> RunRecord:
        """Start a headless run and return its record; errors as for `run_headless`."""
        checked = check_request(request, self.roster)
        return start_headless(self.sandbox, self.roster, checked, image=self._image, hooks=hooks, on_line=self._on_line)

    def run_interactive(
        self,
        provider: str,
        repo: str,
        *,
        branch: str | None = None,
        model: str | None = None,
        name: str | None = None,
        unrestricted: bool = True,
        memory: str | None = None,
        cpus: float | None = None,
        hooks: LifecycleHooks | None = None,
        human_name: str | None = None,
        human_email: str | None = None,
        authorship: str | None = None,
        shared_dir: Path | None = None,
        shared_mount: str = "/shared",
        timezone: str | None = None,
        task_id: str = "",
        bound_provider: str | None = None,
        credential_set: str = "default",
        allow: Iterable[str] = (),
    ) -> str:
        """Start a container for a person to work in and return its name when its repository is there.

        `login_command` opens a terminal in it. Arguments and errors as for `run_headless`; ExecutorError if the
        container is not ready within two minutes.
        """
        request = HeadlessRequest(
            agent=provider,
            repo=repo,
            prompt=None,
            branch=branch,
            model=model,
            name=name,
            unrestricted=unrestricted,
            memory=memory,
            cpus=cpus,
            timezone=timezone,
            authorship=authorship,
            human_name=human_name,
            human_email=human_email,
            shared_dir=shared_dir,
            shared_mount=shared_mount,
            provider=bound_provider,
            credential_set=credential_set,
            allow=tuple(allow),
            base_image=self._base_image,
            task_id=task_id,
        )
        record = self.start(request, hooks=hooks)
        self.wait_until_ready(record.container)
        return record.container

    def wait_until_ready(self, name: str, *, timeout: float = READY_SECONDS) -> None:
        """Wait until the start script has fetched the repository; ExecutorError if it does not within the time."""
        if self.sandbox.stream_logs(name, timeout, lambda line: READY_MARKER in line):
            return
        last = safe_text(self.logs(name, tail=3), limit=400)
        raise ExecutorError(f"container {name} did not get ready: {last}", hint=f"see `terok-executor logs {name}`")

    def login_command(self, name: str, *, agent: bool = False, model: str | None = None) -> list[str]:
        """Return the arguments that open a terminal in a container, a tmux session that outlives it.

        With ``agent`` a new session starts with the container's agent in it, and a shell when that ends.
        """
        inside = ["tmux", "new-session", "-A", "-s", "main"]
        record = load_record(task_dir(name))
        if agent and record is not None and record.agent in self.roster.agents:
            started = terminal_command(self.roster.agents[record.agent], model=model)
            inside.append(f"{shlex.join(started)}; exec bash -l")
        return self.runtime.container(name).login_command(inside)

    def restart(self, name: str) -> None:
        """Start a stopped container again; its workspace is as it was."""
        self.sandbox.start(name)

    def follow(self, name: str, on_line: Callable[[str], None]) -> Outcome:
        """Hand over the output until the agent has ended or its time is over; Ctrl-C stops the container."""
        record = load_record(task_dir(name))
        return follow(self.sandbox, name, on_line, timeout=record.timeout if record else 1800)

    def result(self, name: str, outcome: Outcome, *, duration: float) -> RunResult:
        """Return what a run came to; ``duration`` is in seconds. ExecutorError if nothing is recorded of it."""
        record = load_record(task_dir(name))
        if record is None:
            raise ExecutorError(f"there is no record of a run named {name}", hint="see `terok-executor list`")
        config = self.sandbox.config
        heads = GitGate.open(record.scope, base=config.gate_base_path).branch_heads()
        return collect_result(
            config, record, heads, exit_code=outcome.exit_code, timed_out=outcome.timed_out, duration=duration
        )

    def wait_for_exit(self, name: str, timeout: float | None = None) -> int:
        """Wait for the container to end and return its exit code.

        Raises TimeoutError after ``timeout`` seconds (124 stays an exit code an agent may have), RuntimeError if Podman
        itself fails, FileNotFoundError without Podman.
        """
        try:
            return self.runtime.container(name).wait(timeout)
        except PrerequisiteMissing as error:
            raise FileNotFoundError(error.message) from error
        except TimeoutError as error:
            raise TimeoutError(f"container {name} has not ended within {timeout} s") from error
        except EngineError as error:
            raise RuntimeError(error.message) from error

    def logs(self, name: str, *, tail: int | None = None, timestamps: bool = False, since: str | None = None) -> str:
        """Return what the container has printed so far."""
        return self.runtime.container(name).logs(tail=tail, timestamps=timestamps, since=since)

    def capture_logs(self, name: str, dest: Path, *, timestamps: bool = True, timeout: float = 60.0) -> bool:
        """Write the container's output to a file; return whether all of it arrived within ``timeout`` seconds.

        No partial file is left behind.
        """
        from terok_executor.log_capture import capture

        process = self.stream_logs_process(name, timestamps=timestamps, merge_stderr=True)
        return capture(process, dest, timeout=timeout)

    def stream_logs_process(
        self,
        name: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
        merge_stderr: bool = False,
    ) -> ByteProcess:
        """Start a process that writes the container's output to a pipe; the caller ends it."""
        return self.runtime.container(name).logs_process(
            follow=follow, tail=tail, timestamps=timestamps, merge_stderr=merge_stderr
        )

    def stop(self, name: str, *, timeout: int = STOP_SECONDS) -> None:
        """Stop a container; its agent gets ``timeout`` seconds to end and to hand its commits to the gate."""
        container = self.runtime.container(name)
        try:
            container.stop(timeout)
        except EngineError:
            # Podman 4 reports a failure when a terminal was open in the container, although that has ended.
            if container.running:
                raise

    def remove(self, name: str) -> None:
        """Remove a container and everything kept for it: tokens, logs, prompt, record.

        One that is gone is no error; ExecutorError if it resists.
        """
        directory = task_dir(name)
        for removed in self.sandbox.rm(name):
            if removed.error:
                raise ExecutorError(f"container {name} could not be removed: {removed.error}", hint="try again")
        remove_tree(directory)


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"   {line}\n")
    sys.stderr.flush()


def _to_stdout(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
