"""The protocol of a place where tasks run."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from pathlib import Path

    from terok.engines.values import Command, Launch, Started
    from terok.integrations.executor import Delivery, RunResult
    from terok.model.facts import Process, Silence


class Engine(Protocol):
    """A place where tasks run. Containers are named; names of tasks stay outside."""

    def start(self, launch: Launch) -> Started:
        """Start a task that has no container yet; whatever is raised, no container of it is left."""

    def probe(self, containers: Mapping[str, str]) -> Mapping[str, Process | Silence]:
        """Return a fact for every task, whose container's name is the value, by one question for all.

        An engine that does not answer is `Silence`, which is never read as "not there".
        """

    def wait_until_ready(self, container: str, since: float) -> bool:
        """Wait until a container that was started at `since` has its repository; returns whether it has come so far.

        Whatever becomes of the wait, the container is left alone.
        """

    def started_at(self, container: str) -> float | None:
        """Return when a container was last started, in seconds since the epoch; None if it never was."""

    def follow(self, container: str, on_line: Callable[[str], None], *, timeout: float) -> int:
        """Call `on_line` for each line until the container has ended, and return its exit code.

        An exception, Ctrl-C too, ends only the following; TimeoutError after `timeout` seconds.
        """

    def stop(self, container: str, timeout: int) -> None:
        """Stop a container; its agent has `timeout` seconds to end and hand its work over."""

    def restart(self, container: str, prompt: str | None = None) -> None:
        """Start a container that has ended; with a prompt its agent goes on in the same conversation."""

    def hand_over(self, container: str) -> Delivery:
        """Have a container that has ended hand its work to the gate once more; return what it has handed over."""

    def send(self, container: str, text: str) -> None:
        """Give a working agent more input; RequestError if it takes none."""

    def result(self, container: str, *, exit_code: int, duration: float) -> RunResult:
        """Return what a run that has ended has brought."""

    def delivery(self, container: str) -> Delivery:
        """Return what a container has said about the hand-over of its work."""

    def logs(self, container: str, on_line: Callable[[str], None], *, follow: bool, tail: int | None) -> None:
        """Call `on_line` for each line of a container's output so far and, to `follow`, of all that comes."""

    def save_output(self, container: str, target: Path) -> bool:
        """Write the output of a container to a file; returns whether that worked."""

    def diff(self, container: str, words: Iterable[str]) -> str:
        """Return what git says inside a running container about the workspace."""

    def run_command(self, command: Command, on_line: Callable[[str], None]) -> int | None:
        """Run a command to its end and return its exit code; None if its time was over.

        What `on_line` raises ends it and passes. Nothing of its container is left.
        """

    def login_command(self, container: str, *, agent: bool = False, model: str | None = None) -> list[str]:
        """Return the command that opens a terminal in a container."""

    def remove(self, container: str, *, force: bool = False) -> None:
        """Remove a container with everything kept for it; refuse, unless `force`, if work would be lost with it."""
