"""Interface of a launch to its supervisor: a host set up, a supervisor that waits, proof that it took the container."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol

from terok_util import read_tail

from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import LaunchError
from terok_sandbox.launch.lockdown import refuse_lockdown
from terok_sandbox.runtime.engine import hook_refusal
from terok_sandbox.runtime.protocol import Container

HOOK_LOG: Final = "hook.log"
VERIFY_TIMEOUT: Final = 3.0  # seconds a supervisor that just crashed has to be back
LOG_TAIL: Final = 65536  # bytes at the end of a log that are read


class LaunchSupervisor(Protocol):
    """Provides a launch with a supervisor."""

    def check_setup(self, config: SandboxConfig) -> None:
        """Raise SetupRequired or SetupDowngrade unless the host is set up for this version."""

    def prepare(self, config: SandboxConfig, name: str) -> None:
        """Have a supervisor wait for container `name`, whose sidecar is written; raises SupervisorError."""

    def verify(self, config: SandboxConfig, container: Container, since: float, *, known_id: str = "") -> str:
        """Return the fault in the supervision of a container started after `since` (epoch), or nothing."""

    def end(self, config: SandboxConfig, name: str) -> None:
        """End the supervisor of container `name`, if there is one."""


class FakeSupervisor:
    """LaunchSupervisor in memory: remembers its calls; `prepared=False` makes every verification fail."""

    def __init__(self, *, prepared: bool = True) -> None:
        self.prepared = prepared
        self.calls: list[tuple[str, str]] = []

    def check_setup(self, config: SandboxConfig) -> None:
        """Accept the host as it is."""

    def prepare(self, config: SandboxConfig, name: str) -> None:
        """Remember the request."""
        self.calls.append(("prepare", name))

    def verify(self, config: SandboxConfig, container: Container, since: float, *, known_id: str = "") -> str:
        """Return a fault unless `prepared`."""
        self.calls.append(("verify", container.name))
        return "" if self.prepared else "the supervisor has not prepared the container"

    def end(self, config: SandboxConfig, name: str) -> None:
        """Remember the request."""
        self.calls.append(("end", name))


def check_host(config: SandboxConfig, supervision: LaunchSupervisor) -> None:
    """Raise LockedDown after a panic, and what `check_setup` raises if this host is not set up."""
    refuse_lockdown(config.state_dir)
    supervision.check_setup(config)


@contextmanager
def hook_heard(log: Path) -> Iterator[None]:
    """Replace a start's failure by the hook's own message, which crun swallows and the hook leaves in `log`."""
    log.unlink(missing_ok=True)
    try:
        yield
    except LaunchError as error:
        if refusal := hook_refusal(read_tail(log, LOG_TAIL)):
            raise refusal from error
        raise


def was_supervised(log: str, container_id: str, since: float, *, to_its_end: bool = False) -> bool:
    """Tell whether a supervisor's log says that it took the container since then, or (`to_its_end`) saw its end."""
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
