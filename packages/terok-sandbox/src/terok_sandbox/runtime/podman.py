"""ContainerRuntime of Podman."""

from __future__ import annotations

import io
import json
import os
import re
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime
from pathlib import Path, PurePosixPath
from typing import IO, Any

from terok_util.process import PIPE, STDOUT, ProcessError, ProcessTimeout, spawn, stream

from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import ContainerNotFound, EngineError, EngineTimeout
from terok_sandbox.runtime.engine import (
    LONGEST,
    REMOVE_TIMEOUT,
    START_TIMEOUT,
    STOP_SLACK,
    ask,
    failure,
    find_podman,
    podman,
    run_on_streams,
    start_failure,
)
from terok_sandbox.runtime.ephemeral import follow_to_removal
from terok_sandbox.runtime.events import EventStream, PodmanEvents
from terok_sandbox.runtime.following import ContainerOutput, Monitored, follow
from terok_sandbox.runtime.podman_image import PodmanImage, first_row, read_image
from terok_sandbox.runtime.ports import PortReservation, reserve_port
from terok_sandbox.runtime.probe import host_facts
from terok_sandbox.runtime.protocol import (
    ByteProcess,
    ContainerSummary,
    EphemeralEnd,
    ExecResult,
    ImageSummary,
    MountSummary,
    RemoveResult,
)
from terok_sandbox.values.host import ContainerState, HostFacts
from terok_sandbox.values.launch import LaunchPlan

_STATES = {
    "configured": ContainerState.CREATED,
    "initialized": ContainerState.CREATED,
    "stopped": ContainerState.EXITED,
} | {state.value: state for state in ContainerState}
COPY_TIMEOUT = 600.0
_ENGINE_EXIT = 125  # exit code with which podman itself reports a failure of `exec`


class PodmanContainer:
    """A container by name; every question is put to podman."""

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def state(self) -> ContainerState:
        """Where it is in its life."""
        try:
            return _state(self._inspect()["State"]["Status"])
        except ContainerNotFound:
            return ContainerState.MISSING

    @property
    def running(self) -> bool:
        """Whether its first process runs."""
        return self.state is ContainerState.RUNNING

    @property
    def pid(self) -> int:
        """Host process id of its first process, 0 when it does not run."""
        return int(self._inspect()["State"]["Pid"])

    @property
    def id(self) -> str:
        """Podman's ID; raises ContainerNotFound."""
        return str(self._inspect()["Id"])

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels; raises ContainerNotFound."""
        return dict(self._inspect()["Config"].get("Labels") or {})

    @property
    def env(self) -> Mapping[str, str]:
        """The environment it was made with, the image's included; raises ContainerNotFound."""
        pairs = (setting.partition("=") for setting in self._inspect()["Config"].get("Env") or ())
        return {name: value for name, _, value in pairs}

    @property
    def mounts(self) -> list[MountSummary]:
        """Its mounts; raises ContainerNotFound."""
        rows = self._inspect().get("Mounts") or ()
        return [MountSummary(str(row["Source"]), str(row["Destination"]), bool(row["RW"])) for row in rows]

    @property
    def started_at(self) -> float | None:
        """When it was last started (seconds since the epoch), `None` if never; raises ContainerNotFound."""
        return read_time(str(self._inspect()["State"]["StartedAt"]))

    @property
    def rw_size(self) -> int:
        """Bytes it has written to its own layer; raises ContainerNotFound. Podman counts them anew: slow."""
        completed = ask(["container", "inspect", "--size", self.name], container=self.name, timeout=REMOVE_TIMEOUT)
        return int(first_row(completed.stdout, "container inspect").get("SizeRw") or 0)

    def start(self) -> None:
        """Start it; raises LaunchError with the hook's own words when the hook refuses."""
        completed = podman(["start", self.name], timeout=START_TIMEOUT)
        if completed.returncode != 0:
            raise start_failure(completed, self.name)

    def stop(self, timeout: int = 10) -> None:
        """Stop it, with SIGKILL after `timeout` seconds."""
        ask(["stop", "--time", str(timeout), self.name], timeout=timeout + STOP_SLACK, container=self.name)

    def wait(self, timeout: float | None = None, *options: str) -> int:
        """Wait until it has ended and return its exit code; EngineTimeout after `timeout` seconds (24 days if None)."""
        limit = LONGEST if timeout is None else timeout
        try:
            completed = podman(["wait", *options, self.name], timeout=limit)
        except EngineTimeout as error:
            raise EngineTimeout(f"container {self.name} still runs after {limit:g} s") from error
        if completed.returncode != 0:
            raise failure(completed, "wait", container=self.name)
        try:
            return int(completed.text.strip())
        except ValueError as error:
            raise EngineError(f"podman wait gave no exit code of {self.name}") from error

    def logs(self, *, tail: int | None = None, timestamps: bool = False, since: str | None = None) -> str:
        """Return its output so far, both streams."""
        arguments = self._logs_arguments(follow=False, tail=tail, timestamps=timestamps, since=since)
        completed = ask(arguments, container=self.name)
        return completed.text + completed.err_text

    def follow_logs(
        self, on_line: Callable[[str], None], *, timeout: float, tail: int | None = None, since: str | None = None
    ) -> int | None:
        """Call `on_line` for every line until the end, or EngineTimeout; return the exit code if it is known."""
        monitored = Monitored.of(self._inspect()) if tail is None and since is None else None
        if monitored is not None and monitored.exit_code is not None:
            with ContainerOutput(monitored.log, on_line) as log:
                log.end()
            return monitored.exit_code
        if monitored is not None and (process := monitored.open()) is not None:
            return self._follow_file(ContainerOutput(monitored.log, on_line), process, timeout)
        arguments = self._logs_arguments(follow=True, tail=tail, timestamps=False, since=since)
        try:
            code = stream([find_podman(), *arguments], on_line, timeout=timeout, check=False)
        except ProcessTimeout as error:
            raise EngineTimeout(f"the output of {self.name} did not end within {timeout:g} s") from error
        except ProcessError as error:
            raise EngineError(f"podman logs could not be run: {error.message}") from error
        if code != 0:
            raise EngineError(f"the output of {self.name} could not be followed: podman logs ended with {code}")
        return None

    def _follow_file(self, log: ContainerOutput, process: int, timeout: float) -> int:
        deadline = time.monotonic() + timeout
        with log, os.fdopen(process, "rb"):
            if not follow(log, process, deadline=deadline):
                raise EngineTimeout(f"the output of {self.name} did not end within {timeout:g} s")
            try:
                return self.wait(max(STOP_SLACK, deadline - time.monotonic()), "--interval", "20ms")
            finally:
                log.end()  # the monitor has written everything before it tells of the end

    def follow_to_removal(
        self, container_id: str, *, log: Path, monitor_pid: Path, on_line: Callable[[str], None]
    ) -> EphemeralEnd:
        """Call `on_line` for every line of an ephemeral container until Podman has removed it."""
        return follow_to_removal(container_id, log=log, monitor_pid=monitor_pid, on_line=on_line)

    def logs_process(
        self,
        *,
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
        since: str | None = None,
        merge_stderr: bool = False,
    ) -> ByteProcess:
        """Start a process whose pipes carry the container's output; the caller ends it."""
        arguments = self._logs_arguments(follow=follow, tail=tail, timestamps=timestamps, since=since)
        return spawn([find_podman(), *arguments], stdout=PIPE, stderr=STDOUT if merge_stderr else PIPE)

    def copy_in(self, source: Path, destination: str) -> None:
        """Copy `source` to `destination`; of a directory its contents."""
        what = f"{source}/." if source.is_dir() else str(source)
        arguments = ["cp", what, f"{self.name}:{destination}"]
        try:
            ask(arguments, timeout=COPY_TIMEOUT, container=self.name)
        except ContainerNotFound:
            raise
        except EngineError:  # the directory above is missing: podman does not make it
            above = parents_archive(destination)
            completed = podman(["cp", "-", f"{self.name}:/"], timeout=COPY_TIMEOUT, input=above)
            if completed.returncode != 0:
                raise failure(completed, "cp", container=self.name) from None
            ask(arguments, timeout=COPY_TIMEOUT, container=self.name)

    def login_command(self, command: Sequence[str] = ()) -> list[str]:
        """Return the arguments that open a terminal inside."""
        inside = list(command) or ["tmux", "new-session", "-A", "-s", "main"]
        return [find_podman(), "exec", "-it", self.name, *inside]

    def _logs_arguments(self, *, follow: bool, tail: int | None, timestamps: bool, since: str | None) -> list[str]:
        return [
            "logs",
            *(["--follow"] if follow else []),
            *([] if tail is None else ["--tail", str(tail)]),
            *(["--timestamps"] if timestamps else []),
            *([] if since is None else [f"--since={since}"]),
            self.name,
        ]

    def _inspect(self) -> dict[str, Any]:
        completed = ask(["container", "inspect", self.name], container=self.name)
        return first_row(completed.stdout, "container inspect")


class PodmanRuntime:
    """Podman of the calling user."""

    def __init__(self, config: SandboxConfig | None = None) -> None:
        self._config = config or SandboxConfig()

    def host_facts(self) -> HostFacts:
        """Return the capabilities of Podman on this host; asked once and remembered."""
        return host_facts(self._config)

    def container(self, name: str) -> PodmanContainer:
        """Return the handle of a container."""
        return PodmanContainer(name)

    def image(self, ref: str) -> PodmanImage:
        """Return the handle of an image."""
        return PodmanImage(ref)

    def containers_with_prefix(self, prefix: str) -> list[ContainerSummary]:
        """Return all containers whose name begins with `prefix`, running or not."""
        completed = ask(["ps", "--all", "--format", "json", "--filter", f"name=^{re.escape(prefix)}"])
        try:
            rows = json.loads(completed.stdout or b"[]") or []
            return [summary for row in rows if (summary := _summary(row)).name.startswith(prefix)]
        except (ValueError, KeyError, TypeError, IndexError, AttributeError) as error:
            raise EngineError("the answer of `podman ps` cannot be read") from error

    def images(self, *, dangling_only: bool = False) -> list[ImageSummary]:
        """Return the images in local storage; `dangling_only` those without a tag."""
        filters = ["--filter", "dangling=true"] if dangling_only else []
        completed = ask(["images", "--format", "json", *filters])
        try:
            return [read_image(row) for row in json.loads(completed.stdout or b"[]") or []]
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EngineError("the answer of `podman images` cannot be read") from error

    def events(self, prefix: str = "") -> EventStream:
        """Subscribe to the events of containers whose name begins with `prefix`."""
        return PodmanEvents(prefix)

    def launch(self, plan: LaunchPlan) -> str:
        """Carry out the arguments of a launch plan; returns the container's ID."""
        completed = podman(plan.argv[1:], timeout=START_TIMEOUT, program=plan.argv[0])
        if completed.returncode != 0:
            raise start_failure(completed, plan.name, image=plan.image)
        return completed.text.strip().rpartition("\n")[2]

    def exec(self, container: str, command: Sequence[str], *, timeout: float = 30.0) -> ExecResult:
        """Run `command` inside a running container and collect its output."""
        completed = podman(["exec", container, *command], timeout=timeout)
        said = completed.err_text
        engine_said = completed.returncode == _ENGINE_EXIT or "container state improper" in said
        if completed.returncode and engine_said and said.startswith("Error: "):
            raise failure(completed, "exec", container=container)
        return ExecResult(completed.returncode, completed.text, said)

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
        """Run `command` inside a running container on the caller's binary streams; returns its exit code.

        `env` is set by arguments that every process of the host can read: no secrets.
        """
        argv, what = self._argv_inside(container, command, env), f"{command[0]} in {container}"
        return run_on_streams(argv, what, stdin=stdin, stdout=stdout, stderr=stderr, timeout=timeout)

    def _argv_inside(self, container: str, command: Sequence[str], env: Mapping[str, str] | None) -> list[str]:
        settings = [word for name, value in (env or {}).items() for word in ("--env", f"{name}={value}")]
        return [find_podman(), "exec", "--interactive", *settings, container, *command]

    def force_remove(self, containers: Iterable[str]) -> list[RemoveResult]:
        """Kill and remove containers; one that does not exist counts as removed."""
        return [_remove(name) for name in containers]

    def reserve_port(self, host: str = "127.0.0.1") -> AbstractContextManager[PortReservation]:
        """Hold a free TCP port of `host` until released."""
        return reserve_port(host)


def read_time(text: str) -> float | None:
    """Read a time as podman writes it, RFC 3339 with nanoseconds; `None` for the year 1, which means never."""
    if text.startswith("0001-"):
        return None
    try:
        return datetime.fromisoformat(re.sub(r"(\.\d{6})\d+", r"\1", text)).timestamp()
    except ValueError as error:
        raise EngineError(f"podman tells a time that cannot be read: {text[:80]!r}") from error


def parents_archive(path: str) -> bytes:
    """Return a tar of the directories above `path` that an image may lack: not those at the top, nor a home."""
    import tarfile  # with its compressors it takes as long to load as the rest of this room, at every launch

    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for directory in reversed(PurePosixPath(path).parents):
            if len(directory.parts) > (3 if directory.is_relative_to("/home") else 1):
                entry = tarfile.TarInfo(str(directory).lstrip("/"))
                entry.type, entry.mode, entry.uid, entry.gid = tarfile.DIRTYPE, 0o755, 1000, 1000
                entry.mtime = int(time.time())
                archive.addfile(entry)
    return buffer.getvalue()


def _remove(name: str) -> RemoveResult:
    try:
        ask(["rm", "--force", "--volumes", "--time", "0", name], timeout=REMOVE_TIMEOUT, container=name)
    except ContainerNotFound:
        return RemoveResult(name)
    except EngineError as error:
        return RemoveResult(name, error.message)
    return RemoveResult(name)


def _state(text: object) -> ContainerState:
    return _STATES.get(str(text).lower(), ContainerState.OTHER)


def _summary(row: dict[str, Any]) -> ContainerSummary:
    state, started = _state(row["State"]), int(row.get("StartedAt") or 0)
    over = state is ContainerState.EXITED
    return ContainerSummary(
        name=str(row["Names"][0]),
        id=str(row["Id"]),
        state=state,
        image=str(row["Image"]),
        labels=dict(row.get("Labels") or {}),
        pid=int(row.get("Pid") or 0) if state is ContainerState.RUNNING else 0,
        exit_code=int(row["ExitCode"]) if over else None,
        started=float(started) if started > 0 else None,
        ended=float(row["ExitedAt"]) if over else None,
    )
