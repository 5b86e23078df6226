"""The supervision of a launch: a host that is set up, a waiting supervisor, proof that it took the container."""

from __future__ import annotations

import re
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final, Protocol

from terok_util.text import safe_text

from terok_sandbox.errors import LaunchError

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from terok_sandbox.config import SandboxConfig
    from terok_sandbox.runtime.protocol import Container

HOOK_LOG: Final = "hook.log"
VERIFY_TIMEOUT: Final = 3.0
"""Seconds a supervisor that just crashed has to be back."""
_LOG_TAIL: Final = 65536


class Supervision(Protocol):
    """The supervising side of a launch."""

    def check_setup(self, config: SandboxConfig) -> None:
        """Raise SetupRequired or SetupDowngrade unless the host is set up for this version."""

    def prepare(self, config: SandboxConfig, name: str) -> None:
        """Have a supervisor wait for container `name`, whose sidecar is written; raises SupervisorError."""

    def verify(self, config: SandboxConfig, container: Container, since: float, *, known_id: str = "") -> str:
        """Return what is wrong with the supervision of a container started after `since` (epoch), empty if nothing.

        `known_id` is its ID where that is known.
        """

    def end(self, config: SandboxConfig, name: str) -> None:
        """End the supervisor of container `name`, if there is one."""


class FakeSupervision:
    """Supervision in memory: remembers what was asked; `prepared=False` makes every verification fail."""

    def __init__(self, *, prepared: bool = True) -> None:
        self.prepared = prepared
        self.calls: list[tuple[str, str]] = []

    def check_setup(self, config: SandboxConfig) -> None:
        """Accept the host as it is."""

    def prepare(self, config: SandboxConfig, name: str) -> None:
        """Remember the request."""
        self.calls.append(("prepare", name))

    def verify(self, config: SandboxConfig, container: Container, since: float, *, known_id: str = "") -> str:
        """Return what is wrong, nothing if `prepared`."""
        self.calls.append(("verify", container.name))
        return "" if self.prepared else "the supervisor has not prepared the container"

    def end(self, config: SandboxConfig, name: str) -> None:
        """Remember the request."""
        self.calls.append(("end", name))


@contextmanager
def hook_heard(log: Path) -> Iterator[None]:
    """Put the hook's own words, which crun swallows, in place of a start's failure; `log` is where it leaves them."""
    from terok_sandbox.runtime.engine import hook_refusal

    log.unlink(missing_ok=True)
    try:
        yield
    except LaunchError as error:
        if refusal := hook_refusal(log_tail(log)):
            raise refusal from error
        raise


def was_supervised(log: str, container_id: str, since: float, *, to_its_end: bool = False) -> bool:
    """Tell whether a supervisor's log says that it took the container, not before the second of `since`.

    With `to_its_end` the same supervisor has to say that the container has ended: then Podman need not be asked.
    """
    until = r"[\s\S]*^\S+ supervisor\[(?P=who)\]: the container has ended$" if to_its_end else ""
    taken = re.compile(
        r"^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ) supervisor\[(?P<who>\d+)\]: supervises "
        + re.escape(container_id[:12])
        + " "
        + until,
        re.MULTILINE,
    )
    earliest = datetime.fromtimestamp(int(since), UTC)
    return bool(container_id) and any(datetime.fromisoformat(found[1]) >= earliest for found in taken.finditer(log))


def log_tail(log: Path) -> str:
    """Return the end of a log file, empty if it cannot be read."""
    try:
        with log.open("rb") as file:
            file.seek(max(0, file.seek(0, 2) - _LOG_TAIL))
            return file.read(_LOG_TAIL).decode("utf-8", "replace")
    except OSError:
        return ""


def last_log_line(log: str) -> str:
    """Return the last line of `log` as the end of a sentence, empty if there is none."""
    lines = [line for line in log.splitlines() if line.strip()]
    return f"; its log ends with: {safe_text(lines[-1], limit=300)}" if lines else ""
