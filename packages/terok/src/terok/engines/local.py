"""Tasks on this machine: containers of the executor's `AgentRunner`."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from terok_util import TerokError

from terok.engines.probe import launched, probe
from terok.engines.values import Started
from terok.errors import TaskError
from terok.integrations.executor import (
    AgentRequest,
    AgentRoster,
    AgentRunner,
    CommandRequest,
    Conversation,
    Outcome,
    load_record,
    reported_delivery,
    task_dir,
)
from terok.integrations.sandbox import ContainerState

if TYPE_CHECKING:
    from pathlib import Path

    from terok.engines.values import Command, Launch, Say
    from terok.integrations.executor import Delivery, RunRecord, RunResult
    from terok.model.facts import Process, Silence

LONGEST = 7 * 24 * 3600.0
TIMED_OUT = 124
HAND_OVER_SECONDS = 300.0
GIT_SECONDS = 60.0
_RECENT = 60.0
_DIFF = 'exec git -C /workspace --no-pager diff --no-color --no-ext-diff "$@" "${TEROK_START:-HEAD}"'


class LocalEngine:
    """Podman on this machine; `say` gets lines of progress of launches and image builds."""

    name = "local"

    def __init__(self, say: Say | None = None) -> None:
        self._say = say or (lambda line: None)
        self._runner: AgentRunner | None = None

    @property
    def runner(self) -> AgentRunner:
        """The executor's runner, without an image of its own."""
        if self._runner is None:
            self._runner = AgentRunner(on_line=self._say)
        return self._runner

    def start(self, launch: Launch) -> Started:
        """Start a task; the executor's errors pass."""
        fields = dict(launch.request)
        port = fields.pop("port", None)
        request = AgentRequest(**{**fields, "name": launch.container, "workspace": launch.workspace})
        roster = AgentRoster.shared()
        runner = AgentRunner(on_line=self._say, image=launch.image, cfg=launch.config, roster=roster)
        self._clear_half_made(launch.container)
        began = time.time()
        if launch.mode == "web":
            runner.start_web(request, port=port)
        else:
            runner.start(request)
        record = _record(launch.container)
        if launch.mode == "interactive":
            runner.wait_until_ready(launch.container)
        return Started(
            started=began,
            agent=record.agent,
            provider=record.provider,
            scope=record.scope,
            branch=record.branch,
        )

    def _clear_half_made(self, container: str) -> None:
        """Remove a container that was made and never started: its launch was killed in the middle."""
        sandbox = self.runner.sandbox
        left = sandbox.config.sidecar_path(container).exists()
        if left and sandbox.runtime.container(container).state is ContainerState.CREATED:
            sandbox.rm(container)

    def probe(self, containers: Mapping[str, str]) -> Mapping[str, Process | Silence]:
        """Ask Podman once for all of them."""
        return probe(containers)

    def wait_until_ready(self, container: str, since: float) -> bool:
        """Wait for the word of the start script, as it was printed since a moment."""
        since = min(since, time.time())  # the clock may have been set back
        return self.runner.becomes_ready(container, since=datetime.fromtimestamp(since, UTC).isoformat())

    def started_at(self, container: str) -> float | None:
        """Ask Podman when the container was last started."""
        return self.runner.runtime.container(container).started_at

    def follow(self, container: str, on_line: Callable[[str], None], *, timeout: float) -> int:
        """Pass on the output to the end, in the file that Podman's monitor writes."""
        here = self.runner.runtime.container(container)
        conversation = Conversation(container, AgentRoster.shared())

        def take(line: str) -> None:
            if not conversation.known:  # its id is kept, so that a restart goes on with the right one
                conversation.feed(line.encode("utf-8", "surrogateescape") + b"\n")
            on_line(line)

        code = here.follow_logs(take, timeout=timeout)
        return code if code is not None else here.wait(timeout=_RECENT)

    def stop(self, container: str, timeout: int) -> None:
        """Stop a container, with time for its commits to reach the gate."""
        _refuse_renamed(container)  # what is not there counts as stopped
        self.runner.stop(container, timeout=timeout)

    def restart(self, container: str, prompt: str | None = None) -> None:
        """Start a container again; with a prompt its agent goes on in the same conversation."""
        with _renaming_told(container):
            if prompt is None:
                self.runner.restart(container)
            else:
                self.runner.resume(container, prompt=prompt)

    def hand_over(self, container: str) -> Delivery:
        """Start a container that has ended only to hand its work over, and wait for that."""
        self.runner.deliver(container)
        self.runner.wait_for_exit(container, timeout=HAND_OVER_SECONDS)
        return reported_delivery(self.runner.sandbox, container)

    def send(self, container: str, text: str) -> None:
        """Type a message to the agent in the container's terminal; RequestError if none takes it now."""
        self.runner.send(container, text)

    def result(self, container: str, *, exit_code: int, duration: float) -> RunResult:
        """Return what a run that has ended has brought."""
        outcome = Outcome(exit_code, timed_out=exit_code == TIMED_OUT)
        found = self.runner.result(container, outcome, duration=duration)
        # The workspace outlives the container, so nothing is lost with it; what is said is what reached the gate.
        return replace(found, delivery=self.delivery(container))

    def delivery(self, container: str) -> Delivery:
        """Return what a container has said about the hand-over of its work, `unknown` if nothing."""
        return reported_delivery(self.runner.sandbox, container)

    def logs(self, container: str, on_line: Callable[[str], None], *, follow: bool, tail: int | None) -> None:
        """Read the output from the file that Podman's monitor writes, or by `podman logs`."""
        here = self.runner.runtime.container(container)
        if follow:
            here.follow_logs(on_line, timeout=LONGEST, tail=tail)
        else:
            for line in here.logs(tail=tail).splitlines():
                on_line(line)

    def save_output(self, container: str, target: Path) -> bool:
        """Write the output to a file, without time stamps."""
        return self.runner.capture_logs(container, target, timestamps=False)

    def diff(self, container: str, words: Iterable[str]) -> str:
        """Compare with the commit that the task began with, by git in the container, where what it starts is confined.

        TaskError unless that works.
        """
        done = self.runner.runtime.exec(container, ["sh", "-c", _DIFF, "diff", *words], timeout=GIT_SECONDS)
        if not done.ok:
            raise TaskError(f"git in the container says: {done.stderr.strip()[:300]}")
        return done.stdout

    def run_command(self, command: Command, on_line: Callable[[str], None]) -> int | None:
        """Run a command in a container of its own, of the image that the task's own was made of."""
        request = CommandRequest(
            name=command.container,
            image=_record(command.task_container).image,
            scope=command.scope,
            commit=command.commit,
            branch=command.branch,
            command=command.command,
            timeout=command.timeout,
            allow=command.allow,
            profiles=command.profiles,
            options=dict(command.options),
        )
        return AgentRunner(on_line=self._say, cfg=command.config).run_command(request, on_line)

    def login_command(self, container: str, *, agent: bool = False, model: str | None = None) -> list[str]:
        """Return the command that opens the container's tmux session."""
        return self.runner.login_command(container, agent=agent, model=model)

    def remove(self, container: str, *, force: bool = False) -> None:
        """Remove a container, its tokens and records; the executor refuses if work would be lost, unless `force`."""
        _refuse_renamed(container)
        self.runner.remove(container, force=force)


@contextmanager
def _renaming_told(container: str) -> Iterator[None]:
    """Say so if the block fails because a container was renamed by hand."""
    try:
        yield
    except TerokError:
        _refuse_renamed(container)
        raise


def _refuse_renamed(container: str) -> None:
    row = None
    with suppress(TerokError):
        row = launched().get(container)
    if row is not None and row.name != container:
        raise TaskError(
            f"container {container} was renamed to {row.name}",
            hint=f"give it its name back: `podman rename {row.name} {container}`",
        )


def _record(container: str) -> RunRecord:
    record = load_record(task_dir(container))
    if record is None:
        raise TaskError(f"there is no record of container {container}", hint="`terok sickbay` looks for the cause")
    return record
