"""The verbs that every container of ours understands: wait, follow, read its output, stop, remove."""

from __future__ import annotations

import os
import select
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from terok_util import TerokError, remove_tree, safe_text
from terok_util.process import kill_tree
from terok_util.values import lean_dataclass

from terok_executor.errors import ExecutorError
from terok_executor.integrations.sandbox import (
    ByteProcess,
    ContainerRuntime,
    EngineError,
    EngineTimeout,
    PrerequisiteMissing,
    Sandbox,
    SandboxConfig,
)
from terok_executor.paths import task_dir
from terok_executor.roster.run_config import READY_MARKER
from terok_executor.runner.delivery import Delivery, check_delivered, read_delivery

WEB_MARKER = ">> web ready"
READY_SECONDS = 120.0
TIMED_OUT = 124
LAUNCH_SLACK = 180.0
"""Seconds beyond the agent's own limit for the clone before it and the push after it."""
STOP_SECONDS = 20
WAIT_SECONDS = 60.0
MAX_LOG_BYTES = 1024 * 1024 * 1024
_CHUNK = 64 * 1024


class ContainerCare:
    """Waits for containers, reads what they print, stops and removes them.

    `sandbox` and `runtime` must share one backend, else ValueError.
    """

    def __init__(
        self,
        *,
        sandbox: Sandbox | None = None,
        runtime: ContainerRuntime | None = None,
        cfg: SandboxConfig | None = None,
    ) -> None:
        if sandbox is not None and runtime is not None and sandbox.runtime is not runtime:
            raise ValueError("sandbox and runtime have different backends")
        self._sandbox = sandbox
        self._runtime = runtime
        self._config = cfg

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

    def wait_until_ready(
        self, name: str, *, timeout: float = READY_SECONDS, marker: str = READY_MARKER, since: str | None = None
    ) -> None:
        """Wait until the start script has fetched the repository; ExecutorError after `timeout` seconds.

        The container is stopped if it does not get ready or the wait is interrupted. `since` (RFC 3339) is the time of
        a restart, because the output of the earlier run has a marker too.
        """
        with stopped_on_failure(self.sandbox, name):
            if self.becomes_ready(name, timeout=timeout, marker=marker, since=since):
                return
            last = safe_text(self.runtime.container(name).logs(tail=3), limit=400)
            raise ExecutorError(f"container {name} did not get ready: {last}", hint=f"see `terok-executor logs {name}`")

    def becomes_ready(
        self, name: str, *, timeout: float = READY_SECONDS, marker: str = READY_MARKER, since: str | None = None
    ) -> bool:
        """Wait as `wait_until_ready`, return whether it got ready, and leave the container alone in any case."""
        return self.sandbox.stream_logs(name, timeout, lambda line: marker in line, since=since)

    def wait_for_exit(self, container_name: str, timeout: float | None = None) -> int:
        """Wait for the container to end and return its exit code.

        Raises TimeoutError after `timeout` seconds (124 stays an exit code an agent may have), RuntimeError if Podman
        itself fails, FileNotFoundError without Podman.
        """
        try:
            return self.runtime.container(container_name).wait(timeout)
        except PrerequisiteMissing as error:
            raise FileNotFoundError(error.message) from error
        except TimeoutError as error:
            raise TimeoutError(f"container {container_name} has not ended within {timeout} s") from error
        except EngineError as error:
            raise RuntimeError(error.message) from error

    def logs(
        self, container_name: str, *, tail: int | None = None, timestamps: bool = False, since: str | None = None
    ) -> str:
        """Return the container's output so far; RuntimeError if there is no such container or Podman fails."""
        try:
            return self.runtime.container(container_name).logs(tail=tail, timestamps=timestamps, since=since)
        except EngineError as error:
            raise RuntimeError(error.message) from error

    def capture_logs(
        self, container_name: str, dest: str | Path, *, timestamps: bool = True, timeout: float = 60.0
    ) -> bool:
        """Write the container's output to a file; return whether all of it arrived within `timeout` seconds.

        False whatever the reason; no partial file is left behind.
        """
        try:
            process = self.stream_logs_process(container_name, timestamps=timestamps, merge_stderr=True)
        except TerokError:
            return False
        return capture(process, Path(dest), timeout=timeout)

    def stream_logs_process(
        self,
        container_name: str,
        *,
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
        merge_stderr: bool = False,
    ) -> ByteProcess:
        """Start a process that writes the container's output to a pipe; the caller has to end it."""
        return self.runtime.container(container_name).logs_process(
            follow=follow, tail=tail, timestamps=timestamps, merge_stderr=merge_stderr
        )

    def stop(self, name: str, *, timeout: int = STOP_SECONDS) -> None:
        """Stop a container; its agent gets `timeout` seconds to end and to hand its commits to the gate."""
        container = self.runtime.container(name)
        try:
            container.stop(timeout)
        except EngineError:
            # Podman 4 reports a failure when a terminal was open in the container, although that has ended.
            if container.running:
                raise

    def delivery(self, name: str) -> Delivery:
        """Return how much of a container's work has reached the gate."""
        return read_delivery(self.sandbox, name)

    def remove(self, name: str, *, force: bool = False) -> None:
        """Remove a container and everything kept for it: tokens, logs, prompt, record.

        A running container is stopped first, which hands its work over; UndeliveredError if work would still be lost.
        `force` skips both. A container that does not exist counts as removed; ExecutorError if it cannot be removed.
        """
        directory = task_dir(name)
        if not force:
            if self.runtime.container(name).running:
                self.stop(name)
            check_delivered(self.sandbox, name)
        for removed in self.sandbox.rm(name):
            if removed.error:
                raise ExecutorError(f"container {name} could not be removed: {removed.error}", hint="try again")
        remove_tree(directory)


def capture(process: ByteProcess, dest: Path, *, timeout: float) -> bool:
    """Write the process's standard output to `dest` (0600); return whether all of it came within `timeout` seconds."""
    partial = dest.with_name(f".{dest.name}.{os.getpid()}.partial")
    try:
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            complete = _drain(process, file.write, time.monotonic() + timeout)
        if complete:
            partial.replace(dest)
        return complete
    except OSError:
        return False
    finally:
        kill_tree(process)
        if process.stdout is not None:
            process.stdout.close()
        partial.unlink(missing_ok=True)


def _drain(process: ByteProcess, write: Callable[[bytes], int], deadline: float) -> bool:
    assert process.stdout is not None
    source = process.stdout.fileno()
    total = 0
    while (rest := deadline - time.monotonic()) > 0:
        ready, _, _ = select.select([source], [], [], rest)
        if not ready:
            return False
        chunk = os.read(source, _CHUNK)
        if not chunk:
            return process.wait(timeout=max(0.1, rest)) == 0
        total += len(chunk)
        if total > MAX_LOG_BYTES:
            return False
        write(chunk)
    return False


@lean_dataclass(frozen=True, slots=True)
class Outcome:
    """The end of a container; `timed_out` if the host or the agent's own time limit ended it."""

    exit_code: int
    timed_out: bool


def follow(sandbox: Sandbox, name: str, on_line: Callable[[str], None], *, timeout: float) -> Outcome:
    """Call `on_line` with each line of the container's output, as it comes, until it ends.

    After `timeout` seconds and some slack the container is stopped and counts as timed out. Any exception, Ctrl-C
    included, stops it too.
    """
    container = sandbox.runtime.container(name)
    deadline = time.monotonic() + timeout + LAUNCH_SLACK
    try:
        with stopped_on_failure(sandbox, name):
            code = container.follow_logs(on_line, timeout=max(1.0, deadline - time.monotonic()))
            if code is None:
                code = container.wait(timeout=max(WAIT_SECONDS, deadline - time.monotonic()))
    except EngineTimeout:
        return Outcome(TIMED_OUT, timed_out=True)
    return Outcome(code, timed_out=code == TIMED_OUT)


@contextmanager
def stopped_on_failure(sandbox: Sandbox, name: str) -> Iterator[None]:
    """Stop the container, with time for its commits to reach the gate, if anything is raised, Ctrl-C included."""
    try:
        yield
    except BaseException:
        with suppress(TerokError):
            sandbox.runtime.container(name).stop(timeout=STOP_SECONDS)
        raise
