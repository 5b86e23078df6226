"""Interface of a container engine.

A question that the engine could not answer raises `terok_sandbox.errors.EngineError`; it is never answered
with "there is nothing".
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from terok_sandbox.runtime.events import EventStream
from terok_sandbox.runtime.ports import PortReservation
from terok_sandbox.values.host import ContainerState, HostFacts
from terok_sandbox.values.launch import LaunchPlan


class ExecResult(NamedTuple):
    """A command that ran inside a container."""

    exit_code: int
    stdout: str
    stderr: str

    @property
    def ok(self) -> bool:
        """Whether the command ended with status 0."""
        return self.exit_code == 0


class EphemeralEnd(NamedTuple):
    """How an ephemeral container ended; `removed` unless the engine has left something of it."""

    exit_code: int
    removed: bool


class RemoveResult(NamedTuple):
    """Outcome of removing one container; `error` is empty when it is gone."""

    name: str
    error: str = ""

    @property
    def removed(self) -> bool:
        """Whether the container no longer exists."""
        return not self.error


class ContainerSummary(NamedTuple):
    """One row of a container listing.

    `pid` is that of its first process, 0 unless it runs; `started` and `ended` are seconds since the epoch, None before
    that. `exit_code` is None unless it has ended.
    """

    name: str
    id: str
    state: ContainerState
    image: str
    labels: dict[str, str]
    pid: int = 0
    exit_code: int | None = None
    started: float | None = None
    ended: float | None = None


class ImageSummary(NamedTuple):
    """One row of an image listing: `size` in bytes, `created` in seconds since the epoch."""

    id: str
    tags: tuple[str, ...]
    size: int
    created: float
    labels: dict[str, str]


class MountSummary(NamedTuple):
    """One mount of a container: where on the host, where inside, and whether it can be written."""

    source: str
    destination: str
    writable: bool


class ByteProcess(Protocol):
    """A running child with byte pipes, such as `subprocess.Popen[bytes]`."""

    pid: int
    stdout: IO[bytes] | None
    stderr: IO[bytes] | None

    def poll(self) -> int | None:
        """Return the exit code, `None` while it runs."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait for the end and return the exit code."""

    def terminate(self) -> None:
        """Ask it to end."""

    def kill(self) -> None:
        """End it."""


class Container(Protocol):
    """A container by name; it need not exist."""

    @property
    def name(self) -> str:
        """The container's name."""

    @property
    def state(self) -> ContainerState:
        """Where it is in its life."""

    @property
    def running(self) -> bool:
        """Whether its first process runs."""

    @property
    def pid(self) -> int:
        """Host process id of its first process, 0 when it does not run."""

    @property
    def id(self) -> str:
        """The engine's ID; raises ContainerNotFound."""

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels; raises ContainerNotFound."""

    @property
    def env(self) -> Mapping[str, str]:
        """The environment it was made with, the image's included; raises ContainerNotFound."""

    @property
    def mounts(self) -> list[MountSummary]:
        """Its mounts; raises ContainerNotFound."""

    @property
    def started_at(self) -> float | None:
        """When it was last started (seconds since the epoch), `None` if never; raises ContainerNotFound."""

    @property
    def rw_size(self) -> int:
        """Bytes it has written to its own layer; raises ContainerNotFound."""

    def start(self) -> None:
        """Start it; raises LaunchError with the hook's own words when the hook refuses."""

    def stop(self, timeout: int = 10) -> None:
        """Stop it, with SIGKILL after `timeout` seconds; one that does not run stays as it is."""

    def wait(self, timeout: float | None = None) -> int:
        """Wait until it has ended and return its exit code; EngineTimeout (a TimeoutError) after `timeout` seconds."""

    def logs(self, *, tail: int | None = None, timestamps: bool = False, since: str | None = None) -> str:
        """Return its output so far, both streams, at most the last 16 MiB."""

    def follow_logs(
        self, on_line: Callable[[str], None], *, timeout: float, tail: int | None = None, since: str | None = None
    ) -> int | None:
        """Call `on_line` for every line until it ends; return the exit code if that came to be known on the way."""

    def follow_to_removal(
        self, container_id: str, *, log: Path, monitor_pid: Path, on_line: Callable[[str], None]
    ) -> EphemeralEnd:
        """Call `on_line` for every line, in the launch's `log`, of an ephemeral container until it is removed."""

    def logs_process(
        self,
        *,
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
        since: str | None = None,
        merge_stderr: bool = False,
    ) -> ByteProcess:
        """Start a process that writes its output; the caller ends it."""

    def copy_in(self, source: Path, destination: str) -> None:
        """Copy `source` to `destination`; of a directory its contents."""

    def login_command(self, command: Sequence[str] = ()) -> list[str]:
        """Return the arguments that open a terminal inside, by default in a tmux session named `main`."""


class Image(Protocol):
    """An image by reference; it need not exist."""

    @property
    def ref(self) -> str:
        """The reference it is asked for by."""

    @property
    def id(self) -> str:
        """The engine's ID; raises ImageNotFound."""

    def exists(self) -> bool:
        """Whether the image is in local storage."""

    def labels(self) -> dict[str, str]:
        """Return its labels; raises ImageNotFound."""

    def history(self) -> list[str]:
        """Return the commands that made its layers, newest first; raises ImageNotFound."""

    def remove(self) -> None:
        """Remove it; raises ImageNotFound, or EngineError when a container uses it."""


class ContainerRuntime(Protocol):
    """A container engine."""

    def host_facts(self) -> HostFacts:
        """Return the capabilities of the engine on this host."""

    def container(self, name: str) -> Container:
        """Return the handle of a container."""

    def image(self, ref: str) -> Image:
        """Return the handle of an image."""

    def containers_with_prefix(self, prefix: str) -> list[ContainerSummary]:
        """Return all containers whose name begins with `prefix`, running or not."""

    def images(self, *, dangling_only: bool = False) -> list[ImageSummary]:
        """Return the images in local storage; `dangling_only` those without a tag."""

    def events(self, prefix: str = "") -> EventStream:
        """Subscribe to the events of containers whose name begins with `prefix`."""

    def launch(self, plan: LaunchPlan) -> str:
        """Carry out a launch plan and return the container's ID; LaunchError with the hook's words, ImageNotFound."""

    def exec(self, container: str, command: Sequence[str], *, timeout: float = 30.0) -> ExecResult:
        """Run `command` inside a running container and collect its output."""

    def exec_stdio(
        self,
        container: str,
        command: Sequence[str],
        *,
        stdin: int | IO[bytes],
        stdout: int | IO[bytes],
        stderr: int | IO[bytes],
        env: Mapping[str, str] | None = None,
        timeout: float | None = None,
    ) -> int:
        """Run `command` inside a running container on the caller's binary streams; returns its exit code."""

    def force_remove(self, containers: Iterable[str]) -> list[RemoveResult]:
        """Kill and remove containers; one that does not exist counts as removed."""

    def reserve_port(self, host: str = "127.0.0.1") -> AbstractContextManager[PortReservation]:
        """Hold a free TCP port of `host` until released."""
