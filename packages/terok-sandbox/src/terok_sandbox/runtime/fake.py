r"""FakeRuntime: containers that exist in memory, for tests of programs built on the sandbox.

::

    runtime = FakeRuntime(images={"localhost/app": {}})
    sandbox = Sandbox(config, runtime=runtime, supervision=FakeSupervisor())
    sandbox.run(RunSpec(container_name="demo", image="localhost/app"))
    runtime.finish("demo", exit_code=0, output="done\\n")
    assert sandbox.wait_for_exit("demo") == 0
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import IO

from terok_sandbox.errors import ContainerNotFound, EngineError, EngineTimeout, ImageNotFound, LaunchError, NameTaken
from terok_sandbox.runtime.events import ContainerEvent, EventStream
from terok_sandbox.runtime.ports import PortReservation, reserve_port
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

FAKE_FACTS = HostFacts(
    podman="/usr/bin/podman",
    version=(5, 4, 2),
    rootless=True,
    controllers=frozenset({"cpu", "memory", "pids"}),
    runtime="crun",
    network="pasta",
    init=True,
    selinux=False,
)


@dataclass(slots=True)
class FakeRecord:
    """State of one container of the fake; tests read and change it."""

    image: str
    state: ContainerState
    labels: dict[str, str] = field(default_factory=dict)
    exit_code: int = 0
    output: str = ""
    copied: list[tuple[Path, str]] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    mounts: list[MountSummary] = field(default_factory=list)
    started_at: float | None = None
    rw_size: int = 0


class FakeContainer:
    """A container of a FakeRuntime."""

    def __init__(self, runtime: FakeRuntime, name: str) -> None:
        self._runtime = runtime
        self.name = name

    @property
    def state(self) -> ContainerState:
        """Where it is in its life."""
        self._runtime.answer("inspect")
        record = self._runtime.records.get(self.name)
        return record.state if record else ContainerState.MISSING

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return self.state is ContainerState.RUNNING

    @property
    def pid(self) -> int:
        """A process id while it runs, else 0."""
        return 4242 if self._record().state is ContainerState.RUNNING else 0

    @property
    def id(self) -> str:
        """An ID made of the name."""
        self._record()
        return fake_id(self.name)

    @property
    def labels(self) -> Mapping[str, str]:
        """Its labels."""
        return self._record().labels

    @property
    def env(self) -> Mapping[str, str]:
        """The environment it was launched with."""
        return self._record().env

    @property
    def mounts(self) -> list[MountSummary]:
        """Its mounts, as the test set them."""
        return self._record().mounts

    @property
    def started_at(self) -> float | None:
        """When it was last started."""
        return self._record().started_at

    @property
    def rw_size(self) -> int:
        """Its size, as the test set it."""
        return self._record().rw_size

    def start(self) -> None:
        """Let it run."""
        self._runtime.answer("start")
        self._record().state, self._record().started_at = ContainerState.RUNNING, time.time()
        self._runtime.happened(self.name, "start")

    def stop(self, timeout: int = 10) -> None:
        """Let it have ended."""
        self._runtime.answer("stop")
        if self._record().state is ContainerState.RUNNING:
            self._runtime.finish(self.name, exit_code=137)

    def wait(self, timeout: float | None = None) -> int:
        """Return its exit code; EngineTimeout at once while it runs, for nothing here ends by itself."""
        record = self._record()
        if record.state is not ContainerState.EXITED:
            raise EngineTimeout(f"container {self.name} still runs after {timeout or 0:g} s")
        return record.exit_code

    def logs(self, *, tail: int | None = None, timestamps: bool = False, since: str | None = None) -> str:
        """Return the output the test gave it; `timestamps` and `since` change nothing."""
        lines = self._record().output.splitlines(keepends=True)
        return "".join(lines[0 if tail is None else max(0, len(lines) - tail) :])

    def follow_logs(
        self, on_line: Callable[[str], None], *, timeout: float, tail: int | None = None, since: str | None = None
    ) -> None:
        """Call `on_line` for every line there is."""
        for line in self.logs(tail=tail).splitlines():
            on_line(line)

    def follow_to_removal(
        self, container_id: str, *, log: Path, monitor_pid: Path, on_line: Callable[[str], None]
    ) -> EphemeralEnd:
        """Call `on_line` for every line there is and remove it; EngineTimeout at once while it runs."""
        code = self.wait()
        self.follow_logs(on_line, timeout=0)
        del self._runtime.records[self.name]
        return EphemeralEnd(code, removed=True)

    def logs_process(
        self,
        *,
        follow: bool = False,
        tail: int | None = None,
        timestamps: bool = False,
        since: str | None = None,
        merge_stderr: bool = False,
    ) -> ByteProcess:
        """Refuse, because a fake has no processes."""
        raise EngineError("a fake container has no log process")

    def copy_in(self, source: Path, destination: str) -> None:
        """Remember the copy."""
        self._record().copied.append((source, destination))

    def login_command(self, command: Sequence[str] = ()) -> list[str]:
        """Return the arguments Podman would be given."""
        return ["podman", "exec", "-it", self.name, *(command or ("tmux", "new-session", "-A", "-s", "main"))]

    def _record(self) -> FakeRecord:
        record = self._runtime.records.get(self.name)
        if record is None:
            raise ContainerNotFound(f"there is no container {self.name}")
        return record


class FakeImage:
    """An image of a FakeRuntime."""

    def __init__(self, runtime: FakeRuntime, ref: str) -> None:
        self._runtime = runtime
        self.ref = ref

    @property
    def id(self) -> str:
        """An ID made of the reference."""
        self.labels()
        return fake_id(self.ref)

    def exists(self) -> bool:
        """Whether the test gave the image."""
        return self.ref in self._runtime.known_images

    def labels(self) -> dict[str, str]:
        """Return the labels the test gave it."""
        if self.ref not in self._runtime.known_images:
            raise ImageNotFound(f"there is no image {self.ref}")
        return self._runtime.known_images[self.ref]

    def history(self) -> list[str]:
        """Return nothing: a fake image has no layers."""
        self.labels()
        return []

    def remove(self) -> None:
        """Forget it."""
        self.labels()
        if any(record.image == self.ref for record in self._runtime.records.values()):
            raise EngineError(f"image {self.ref} is in use")
        del self._runtime.known_images[self.ref]


class FakeEvents(EventStream):
    """The events of a FakeRuntime since the subscription; never waits."""

    def __init__(self, runtime: FakeRuntime, prefix: str) -> None:
        self._history: list[ContainerEvent] | None = runtime.history
        self._prefix = prefix
        self._next = len(runtime.history)

    def get(self, timeout: float) -> ContainerEvent | None:
        """Return the next event there is, else `None` at once."""
        if self._history is None:
            raise EngineError("the stream of events is closed")
        for event in self._history[self._next :]:
            self._next += 1
            if event.name.startswith(self._prefix):
                return event
        return None

    def close(self) -> None:
        """End the subscription."""
        self._history = None


def fake_id(name: str) -> str:
    """Return an ID made of a name."""
    return name.encode().hex().ljust(64, "0")[:64]


class FakeRuntime:
    """A container engine in memory.

    `images` maps references to labels; `known_images` can be changed later. `failures` maps an operation
    (`launch`, `start`, `stop`, `inspect`, `list`, `remove`, `exec`) to the message it fails with.
    `plans` collects what was launched; `on_exec` answers `exec`.
    """

    def __init__(self, images: Mapping[str, Mapping[str, str]] | None = None, *, facts: HostFacts = FAKE_FACTS) -> None:
        self.known_images: dict[str, dict[str, str]] = {ref: dict(labels) for ref, labels in (images or {}).items()}
        self.records: dict[str, FakeRecord] = {}
        self.plans: list[LaunchPlan] = []
        self.history: list[ContainerEvent] = []
        self.failures: dict[str, str] = {}
        self.on_exec: Callable[[str, Sequence[str]], ExecResult] = lambda container, command: ExecResult(0, "", "")
        self._facts = facts

    def answer(self, operation: str) -> None:
        """Fail if the test asked for it."""
        if operation in self.failures:
            kind = LaunchError if operation in ("launch", "start") else EngineError
            raise kind(self.failures[operation])

    def finish(self, name: str, *, exit_code: int = 0, output: str = "") -> None:
        """End a container, as its command would."""
        record = self.records[name]
        record.state, record.exit_code = ContainerState.EXITED, exit_code
        record.output += output
        self.happened(name, "died", exit_code)

    def host_facts(self) -> HostFacts:
        """Return the facts the fake was made with."""
        return self._facts

    def container(self, name: str) -> FakeContainer:
        """Return the handle of a container."""
        return FakeContainer(self, name)

    def image(self, ref: str) -> FakeImage:
        """Return the handle of an image."""
        return FakeImage(self, ref)

    def images(self, *, dangling_only: bool = False) -> list[ImageSummary]:
        """Return the known images; none is dangling."""
        self.answer("list")
        known = () if dangling_only else self.known_images.items()
        return [ImageSummary(self.image(ref).id, (ref,), 0, 0.0, dict(labels)) for ref, labels in known]

    def events(self, prefix: str = "") -> FakeEvents:
        """Subscribe to the events from now on."""
        return FakeEvents(self, prefix)

    def happened(self, name: str, status: str, exit_code: int | None = None) -> None:
        """Tell the subscribers."""
        self.history.append(ContainerEvent(time.time(), name, fake_id(name), status, exit_code))

    def containers_with_prefix(self, prefix: str) -> list[ContainerSummary]:
        """Return all containers whose name begins with `prefix`."""
        self.answer("list")
        return [
            ContainerSummary(
                *(name, self.container(name).id, record.state, record.image, record.labels),
                exit_code=record.exit_code if record.state is ContainerState.EXITED else None,
            )
            for name, record in self.records.items()
            if name.startswith(prefix)
        ]

    def launch(self, plan: LaunchPlan) -> str:
        """Create the container, running unless the plan is sealed."""
        self.plans.append(plan)
        self.answer("launch")
        if plan.image not in self.known_images:
            raise ImageNotFound(f"there is no image {plan.image} on this host")
        if plan.name in self.records:
            raise NameTaken(f"a container named {plan.name} exists already")
        labels = dict(value.split("=", 1) for flag, value in pairwise(plan.argv) if flag == "--label")
        state = ContainerState.CREATED if plan.sealed else ContainerState.RUNNING
        record = self.records[plan.name] = FakeRecord(plan.image, state, labels)
        record.env = dict(line.split("=", 1) for line in plan.env_file.splitlines())
        volumes = [value.split(":") for flag, value in pairwise(plan.argv) if flag == "--volume"]
        record.mounts = [MountSummary(host, inside, "ro" not in rest.split(",")) for host, inside, rest in volumes]
        self.happened(plan.name, "create")
        if not plan.sealed:
            record.started_at = time.time()
            self.happened(plan.name, "start")
        return self.container(plan.name).id

    def exec(self, container: str, command: Sequence[str], *, timeout: float = 30.0) -> ExecResult:
        """Return the answer of `on_exec`."""
        self.answer("exec")
        if self.container(container).id and not self.container(container).running:
            raise EngineError(f"container {container} does not run")
        return self.on_exec(container, command)

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
        """Write the output of `on_exec` to `stdout` if that is a file object; returns its exit code."""
        result = self.exec(container, command)
        if not isinstance(stdout, int):
            stdout.write(result.stdout.encode())
        return result.exit_code

    def force_remove(self, containers: Iterable[str]) -> list[RemoveResult]:
        """Forget containers."""
        names = list(containers)
        for name in names:
            if "remove" not in self.failures and self.records.pop(name, None) is not None:
                self.happened(name, "remove")
        return [RemoveResult(name, self.failures.get("remove", "")) for name in names]

    def reserve_port(self, host: str = "127.0.0.1") -> AbstractContextManager[PortReservation]:
        """Hold a real free port."""
        return reserve_port(host)
