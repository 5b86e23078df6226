"""Supervision by the fork server and the OCI hook."""

from __future__ import annotations

import time

from terok_util import last_line, read_tail

from terok_sandbox.config import SandboxConfig
from terok_sandbox.config.model import SUPERVISOR_LOG
from terok_sandbox.errors import EngineError, SupervisorError
from terok_sandbox.launch.supervision import LOG_TAIL, VERIFY_TIMEOUT, was_supervised
from terok_sandbox.runtime.protocol import Container
from terok_sandbox.setup.state import check_setup
from terok_sandbox.supervise import client
from terok_sandbox.values.host import ContainerState


class HookSupervisor:
    """Supervision by the fork server and the OCI hook."""

    def check_setup(self, config: SandboxConfig) -> None:
        """Compare what is installed with what this version installs."""
        check_setup(config)

    def prepare(self, config: SandboxConfig, name: str) -> None:
        """Ask the fork server for a supervisor."""
        client.supervise(config, config.sidecar_path(name))

    def verify(self, config: SandboxConfig, container: Container, since: float, *, known_id: str = "") -> str:
        """Ask the supervisor; if the container has ended already, its supervisor left its word in the log."""
        log = config.container_state_dir(container.name) / SUPERVISOR_LOG
        deadline = time.monotonic() + VERIFY_TIMEOUT
        while True:
            try:
                if client.status(config, container.name).get("prepared"):
                    return ""
                problem = "its supervisor has no container"
            except SupervisorError as error:
                problem = error.message
            # A container of milliseconds: asking Podman for its state would take longer than it lived.
            if was_supervised(read_tail(log, LOG_TAIL), known_id, since, to_its_end=True):
                return ""
            try:
                ended = container.state is ContainerState.EXITED
                if ended and was_supervised(read_tail(log, LOG_TAIL), known_id or container.id, since):
                    return ""
            except EngineError as error:
                problem = error.message
            if time.monotonic() > deadline:
                end = last_line(read_tail(log, LOG_TAIL), limit=300)
                return f"{problem}; its log ends with: {end}" if end else problem
            time.sleep(0.05)

    def end(self, config: SandboxConfig, name: str) -> None:
        """Stop the container's supervisor."""
        client.stop_supervisor(config, name)
