"""Events of containers, as they happen."""

from __future__ import annotations

import json
import os
import time
from datetime import datetime
from typing import Any, NamedTuple, Protocol, Self

from terok_util.process import DEVNULL, PIPE, ProcessError, kill_tree, spawn

from terok_sandbox.descriptors import is_readable
from terok_sandbox.errors import EngineError
from terok_sandbox.runtime.engine import find_podman

MAX_LINE = 256 * 1024  # bytes of one event; a longer line is not an event


class ContainerEvent(NamedTuple):
    """One thing that happened to a container: epoch `time`, the engine's word, and for `died` the `exit_code`."""

    time: float
    name: str
    id: str
    status: str
    exit_code: int | None = None


class EventStream(Protocol):
    """Events from the moment of the subscription on; to be closed."""

    def get(self, timeout: float) -> ContainerEvent | None:
        """Return the next event, `None` after `timeout` seconds; EngineError when no more will come."""

    def close(self) -> None:
        """End the subscription; doing so twice is harmless."""

    def __enter__(self) -> Self:
        """Return the stream itself."""
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Close the stream."""
        self.close()


def read_event(line: bytes) -> ContainerEvent | None:
    """Return the event of one line of `podman events --format json`, None if it is of another kind."""
    try:
        document = json.loads(line)
        if document["Type"] != "container":
            return None
        code = document.get("ContainerExitCode")
        return ContainerEvent(
            time=_moment(document),
            name=str(document["Name"]),
            id=str(document["ID"]),
            status=str(document["Status"]),
            exit_code=int(code) if code is not None and document["Status"] == "died" else None,
        )
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError, RecursionError):
        return None


def _moment(document: dict[str, Any]) -> float:
    """Return when it happened: nanoseconds since the epoch from Podman 5 on, a date before."""
    if "timeNano" in document:
        return float(document["timeNano"]) / 1e9
    return datetime.fromisoformat(document["Time"]).timestamp()


class PodmanEvents(EventStream):
    """The events of containers whose name begins with `prefix`, from a `podman events` process."""

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._since = time.time()  # podman takes a while to listen: what happens meanwhile it reads from its log
        arguments = ["events", "--format", "json", "--filter", "type=container", "--since", str(int(self._since))]
        try:
            self._child = spawn([find_podman(), *arguments], stdin=DEVNULL, stdout=PIPE, stderr=DEVNULL)
        except ProcessError as error:
            raise EngineError(f"podman events could not be run: {error.message}") from error
        self._buffer = b""

    def fileno(self) -> int:
        """Return a descriptor that is readable when `get` may have something."""
        return self._stdout()

    def get(self, timeout: float) -> ContainerEvent | None:
        """Return the next event, `None` after `timeout` seconds; EngineError when podman has ended."""
        deadline = time.monotonic() + timeout
        while True:
            line, newline, rest = self._buffer.partition(b"\n")
            if newline:
                self._buffer = rest
                event = read_event(line)
                if event is not None and event.time >= self._since and event.name.startswith(self._prefix):
                    return event
                continue
            if not self._read(deadline - time.monotonic()):
                return None

    def close(self) -> None:
        """End the process."""
        if self._child.stdout is not None:
            self._child.stdout.close()
        kill_tree(self._child)

    def _read(self, timeout: float) -> bool:
        if not is_readable(self._stdout(), timeout):
            return False
        data = os.read(self._stdout(), 65536)
        if not data:
            raise EngineError("podman events has ended", hint="see what `podman events` says")
        self._buffer = (self._buffer + data)[-MAX_LINE:]
        return True

    def _stdout(self) -> int:
        if self._child.stdout is None or self._child.stdout.closed:
            raise EngineError("the stream of events is closed")
        return self._child.stdout.fileno()
