"""AgentRunner: one agent, one repository, one hardened container."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import nullcontext, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from socket import socket
from typing import TYPE_CHECKING, Any, Unpack

from terok_util import safe_text
from terok_util.process import kill_tree

from terok_executor.errors import BuildError, ExecutorError, RequestError
from terok_executor.image.reference import DEFAULT_BASE_IMAGE
from terok_executor.integrations.sandbox import (
    ByteProcess,
    ContainerRuntime,
    GitGate,
    GpuConfigError,
    LifecycleHooks,
    Sandbox,
    SandboxConfig,
    VolumeSpec,
)
from terok_executor.launch.agent_task import start_agent
from terok_executor.launch.check import find_frontend
from terok_executor.launch.request import AgentRequest, RunOptions, ToolOptions, ToolRequest, agent_request
from terok_executor.launch.task_files import RunRecord, load_record
from terok_executor.paths import task_dir
from terok_executor.runner.agent_roster import AgentRoster
from terok_executor.runner.container_care import WEB_MARKER, ContainerCare, Outcome, follow, stopped_on_failure
from terok_executor.runner.conversation import Conversation, session_of
from terok_executor.runner.delivery import read_delivery
from terok_executor.transcript.event import TranscriptEvent
from terok_executor.transcript.render import MAX_WIDTH, render_event

if TYPE_CHECKING:
    from terok_executor.launch.command_task import CommandRequest
    from terok_executor.launch.prepared import PreparedOptions
    from terok_executor.reports.file import ReportBatch, ReportCursor
    from terok_executor.runner.result import RunResult


class AgentRunner(ContainerCare):
    """Runs agents and looks after their containers.

    `sandbox` and `runtime` must share one backend, else ValueError. `on_line` is called with progress lines of image
    builds and launches; by default they go to standard error. `image` names a ready image, which is not built.
    """

    # What a launch does not need is imported where it is used: a person waits for the launch.

    def __init__(
        self,
        *,
        sandbox: Sandbox | None = None,
        runtime: ContainerRuntime | None = None,
        roster: AgentRoster | None = None,
        base_image: str = DEFAULT_BASE_IMAGE,
        family: str | None = None,
        image: str | None = None,
        cfg: SandboxConfig | None = None,
        on_line: Callable[[str], None] | None = None,
    ) -> None:
        super().__init__(sandbox=sandbox, runtime=runtime, cfg=cfg)
        self._roster = roster
        self._base_image = base_image
        self._family = family
        self._image = image
        self._pages: list[ByteProcess] = []
        self._on_line = on_line or _to_stderr

    @property
    def roster(self) -> AgentRoster:
        """The agents and providers known."""
        if self._roster is None:
            self._roster = AgentRoster.load()
        return self._roster

    def run_headless(
        self,
        provider: str,
        repo: str | None,
        *,
        prompt: str,
        max_turns: int | None = None,
        timeout: int = 1800,
        follow: bool = False,
        hooks: LifecycleHooks | None = None,
        **options: Unpack[RunOptions],
    ) -> str:
        """Run an agent on a repository without a terminal and return the container's name.

        `provider` is the agent's name in the roster, `repo` a directory or an address to clone (None with a
        `workspace`), `timeout` in seconds. `follow` prints the output and returns when the agent has ended.

        Raises:
            RosterError: The agent or its provider is unknown, or they do not go together.
            RequestError: The request is wrong, or the name is in use.
            PrerequisiteError: The host lacks a program.
            CredentialMissingError: The vault has no credential for the provider.
            BuildError: The image cannot be built.
            SandboxError: The container cannot be launched; nothing of it is left.
        """
        request = self._request(provider, repo, options, prompt=prompt, max_turns=max_turns, timeout=timeout)
        record = self.start(request, hooks=hooks)
        if follow:
            self.follow_events(record.container, _show)
        return record.container

    def _request(
        self, agent: str, repo: str | None, options: RunOptions, *, prompt: str | None = None, **more: Any
    ) -> AgentRequest:
        image = {"base_image": self._base_image, "family": self._family}
        return agent_request(agent, repo, options, prompt=prompt, **image, **more)

    def start(self, request: AgentRequest, *, hooks: LifecycleHooks | None = None) -> RunRecord:
        """Start a run and return its record; raises as `run_headless` does."""
        return start_agent(self.sandbox, self.roster, request, image=self._image, hooks=hooks, on_line=self._on_line)

    def run_interactive(
        self,
        provider: str,
        repo: str | None,
        *,
        hooks: LifecycleHooks | None = None,
        **options: Unpack[RunOptions],
    ) -> str:
        """Start a container for a person to work in and return its name when its repository is there.

        `login_command` opens a terminal in it. Arguments and errors are those of `run_headless`; ExecutorError if the
        container is not ready within two minutes.
        """
        request = self._request(provider, repo, options)
        record = self.start(request, hooks=hooks)
        self.wait_until_ready(record.container)
        if hooks is not None:
            hooks.post_ready()
        return record.container

    def run_web(
        self,
        repo: str | None,
        *,
        provider: str | None = None,
        port: int | None = None,
        public_url: str | None = None,
        hooks: LifecycleHooks | None = None,
        **options: Unpack[RunOptions],
    ) -> str:
        """Serve an agent's web page on `port` of the host's loopback (a free one if None); returns the container.

        Nobody gets in without the token in the address that `web_url` returns. `public_url` is the address of a proxy
        in front of the page. `provider` is the agent; by default the first that has a page. A process of its own serves
        the page until the container ends. Raises as `run_interactive` does.
        """
        agent = provider or self._agent_with_page()
        request = self._request(agent, repo, options, web=True, public_url=public_url or "")
        return self.start_web(request, port=port, hooks=hooks)

    def _agent_with_page(self) -> str:
        for name, agent in self.roster.agents.items():
            with suppress(RequestError):
                find_frontend(agent, self.roster)
                return name
        return ""

    def start_web(self, request: AgentRequest, *, port: int | None = None, hooks: LifecycleHooks | None = None) -> str:
        """Start a container with a web page and serve it, see `run_web`; returns the container's name."""
        from terok_executor.web.page import listen

        with listen(port) as listener:
            own = f"http://127.0.0.1:{listener.getsockname()[1]}"
            name = self.start(replace(request, public_url=request.public_url or own), hooks=hooks).container
            self._open_page(name, listener, request.public_url)
        if hooks is not None:
            hooks.post_ready()
        return name

    def _open_page(
        self, name: str, listener: socket, public_url: str, *, token: str | None = None, since: str | None = None
    ) -> None:
        """Serve the page of a started container; stop the container if that fails."""
        from terok_executor.web.page import serve_page

        self.wait_until_ready(name, marker=WEB_MARKER, since=since)
        with stopped_on_failure(self.sandbox, name):
            self._pages.append(serve_page(name, listener, public_url, token))

    def web_url(self, name: str) -> str:
        """Return the address of a container's page, with its token; ExecutorError if it has none."""
        from terok_executor.web.page import load_page

        page = load_page(name)
        if page is None:
            raise ExecutorError(f"container {name} has no web page", hint="start one with `terok-executor run --web`")
        return page.url

    def run_tool(
        self,
        tool: str,
        repo: str,
        *,
        tool_args: Iterable[str] = (),
        follow: bool = True,
        hooks: LifecycleHooks | None = None,
        **options: Unpack[ToolOptions],
    ) -> str:
        """Run a sidecar tool on a repository and return the container's name; with `follow` when it has ended.

        The tool has an image of its own without agents, its real key, and no vault. Raises as `run_headless` does.
        """
        given: dict[str, Any] = {**options, "base_image": self._base_image, "family": self._family}
        request = ToolRequest(tool=tool, repo=repo, tool_args=tuple(tool_args), **given)
        record = self.start_tool(request, hooks=hooks)
        if follow:
            self.follow(record.container, _to_stdout)
        return record.container

    def start_tool(self, request: ToolRequest, *, hooks: LifecycleHooks | None = None) -> RunRecord:
        """Start a sidecar tool and return its record; raises as `run_headless` does."""
        from terok_executor.launch.tool_task import start_tool

        return start_tool(self.sandbox, self.roster, request, image=self._image, hooks=hooks, on_line=self._on_line)

    def launch_prepared(
        self,
        *,
        env: Mapping[str, str],
        volumes: Iterable[VolumeSpec],
        image: str,
        command: Iterable[str],
        name: str,
        task_dir: Path,
        hooks: LifecycleHooks | None = None,
        **options: Unpack[PreparedOptions],
    ) -> str:
        """Launch a container that the caller has put together and return its name.

        The sandbox's guarantees hold as always: a sidecar that cannot be written stops the launch. BuildError for GPUs
        that this host does not describe. `runtime="krun"` (a microVM) needs TEROK_EXPERIMENTAL=1 and KVM.
        """
        from terok_executor.launch.prepared import prepared_spec

        spec = prepared_spec(self.sandbox.config, env, volumes, image, command, name, task_dir, options)
        try:
            self.sandbox.run(spec, hooks)
        except GpuConfigError as error:
            raise BuildError(error.message, hint=error.hint) from error
        return spec.container_name

    def run_command(self, request: CommandRequest, on_line: Callable[[str], None]) -> int | None:
        """Run a command on a commit in a container of its own, as `launch.command_task.run_command` does."""
        from terok_executor.launch.command_task import run_command

        return run_command(self.sandbox, self.roster, request, on_line)

    def resume(self, name: str, *, prompt: str) -> RunRecord:
        """Start an exited container with a new prompt in the same conversation; `follow` waits for its end."""
        from terok_executor.launch.resume import resume

        session_of(name)
        return resume(self.sandbox, self.roster, name, prompt)

    def deliver(self, name: str) -> RunRecord:
        """Start an exited container only to hand its work to the gate; `follow` waits for its end."""
        from terok_executor.launch.resume import hand_over

        return hand_over(self.sandbox, name)

    def login_command(self, name: str, *, agent: bool = False, model: str | None = None) -> list[str]:
        """Return the command that opens a terminal in a container, a tmux session that outlives the terminal.

        With `agent` a new session starts with the container's agent, followed by a shell.
        """
        from terok_executor.runner.terminal import terminal_words

        record = load_record(task_dir(name)) if agent else None
        known = self.roster.agents.get(record.agent) if record is not None else None
        return self.runtime.container(name).login_command(terminal_words(known, record, model))

    def send(self, name: str, text: str) -> None:
        """Give a message to the agent in a container's terminal, which may be at work; RequestError if none takes it.

        An agent that works on a prompt without a terminal takes no more input until it ends, see `resume`.
        """
        from terok_executor.runner.terminal import send_message

        send_message(self.sandbox, name, text)

    def restart(self, name: str) -> None:
        """Start a stopped container again; its workspace is unchanged, and a web page keeps its address."""
        from terok_executor.web.page import listen, load_page

        page = load_page(name)
        with listen(page.port) if page is not None else nullcontext() as listener:
            started = datetime.now(UTC).isoformat()
            self.sandbox.start(name)
            if page is not None and listener is not None:
                self._open_page(name, listener, page.public_url, token=page.token, since=started)

    def follow(self, name: str, on_line: Callable[[str], None]) -> Outcome:
        """Call `on_line` with the output until the agent ends or its time is over; Ctrl-C stops the container."""
        return self._follow(name, lambda line: on_line(safe_text(line, limit=MAX_WIDTH)))

    def follow_events(self, name: str, on_event: Callable[[TranscriptEvent], None]) -> Outcome:
        """Call `on_event` with what the agent does until it ends or its time is over; Ctrl-C stops the container."""
        return self._follow(name, Conversation(name, self.roster).line_handler(on_event))

    def _follow(self, name: str, on_line: Callable[[str], None]) -> Outcome:
        import terok_executor.runner.result  # noqa: F401 - while the agent works; its end is what a person waits for

        record = load_record(task_dir(name))
        return follow(self.sandbox, name, on_line, timeout=record.timeout if record else 1800)

    def events(
        self, name: str, *, follow: bool = False, tail: int | None = None, since: str | None = None
    ) -> Iterator[TranscriptEvent]:
        """Yield what the agent has done so far, with `follow` until its container ends.

        `tail` is a number of lines of output, `since` a time (RFC 3339).
        """
        conversation = Conversation(name, self.roster)
        container = self.runtime.container(name)
        process = container.logs_process(follow=follow, tail=tail, since=since, merge_stderr=True)
        assert process.stdout is not None
        try:
            yield from conversation.read(process.stdout.fileno())
        finally:
            kill_tree(process)
            process.stdout.close()

    def reports(self, name: str, after: ReportCursor | None = None) -> ReportBatch:
        """Return what the agent's hooks have reported after the cursor; see `read_reports`."""
        from terok_executor.reports.file import read_reports

        return read_reports(task_dir(name), after)

    def session(self, name: str) -> str:
        """Return the id of the container's conversation, which `resume` takes up; "" while it is not known."""
        return session_of(name)

    def result(self, name: str, outcome: Outcome, *, duration: float) -> RunResult:
        """Return the result of a run; `duration` is in seconds. ExecutorError without a record of the run."""
        from terok_executor.runner.result import collect_result

        record = load_record(task_dir(name))
        if record is None:
            raise ExecutorError(f"there is no record of a run named {name}", hint="see `terok-executor list`")
        config = self.sandbox.config
        heads = GitGate.open(record.scope, base=config.gate_base_path).branch_heads() if record.scope else {}
        return collect_result(
            config,
            record,
            heads,
            exit_code=outcome.exit_code,
            timed_out=outcome.timed_out,
            duration=duration,
            delivery=read_delivery(self.sandbox, name, ended=not outcome.timed_out),
        )


def _to_stderr(line: str) -> None:
    sys.stderr.write(f"   {line}\n")
    sys.stderr.flush()


def _show(event: TranscriptEvent) -> None:
    for line in render_event(event):
        _to_stdout(line)


def _to_stdout(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()
