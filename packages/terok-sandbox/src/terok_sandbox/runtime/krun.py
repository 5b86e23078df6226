"""ContainerRuntime of microVMs: Podman starts and stops them, commands inside go to the guest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from terok_util.process import ProcessError, ProcessTimeout, run

from terok_sandbox.config import SandboxConfig
from terok_sandbox.errors import EngineError, EngineTimeout
from terok_sandbox.runtime.guest import SshTransport
from terok_sandbox.runtime.podman import PodmanContainer, PodmanRuntime
from terok_sandbox.runtime.protocol import ExecResult

SSH_FAILED: Final = 255  # exit code with which ssh reports its own failure


class KrunContainer(PodmanContainer):
    """A microVM by its container's name."""

    def __init__(self, name: str, transport: SshTransport) -> None:
        super().__init__(name)
        self._transport = transport

    def login_command(self, command: Sequence[str] = ()) -> list[str]:
        """Return the arguments that open a terminal in the guest."""
        inside = list(command) or ["tmux", "new-session", "-A", "-s", "main"]
        return self._transport.argv(self.name, inside, tty=True)


class KrunRuntime(PodmanRuntime):
    """Podman with microVMs; commands inside go through `transport`."""

    def __init__(self, transport: SshTransport, config: SandboxConfig | None = None) -> None:
        super().__init__(config)
        self._transport = transport

    def container(self, name: str) -> KrunContainer:
        """Return the handle of a container."""
        return KrunContainer(name, self._transport)

    def exec(self, container: str, command: Sequence[str], *, timeout: float = 30.0) -> ExecResult:
        """Run `command` in the guest and collect its output; EngineError when the guest cannot be reached."""
        argv = self._transport.argv(container, command)
        try:
            done = run(argv, timeout=timeout, check=False)
        except ProcessTimeout as error:
            raise EngineTimeout(f"{command[0]} in {container} did not end within {timeout:g} s") from error
        except ProcessError as error:
            raise EngineError(f"the guest of {container} cannot be reached: {error.message}") from error
        if done.returncode == SSH_FAILED:
            raise EngineError(f"the guest of {container} cannot be reached: {done.err_text.strip()[-300:]}")
        return ExecResult(done.returncode, done.text, done.err_text)

    def _argv_inside(self, container: str, command: Sequence[str], env: Mapping[str, str] | None) -> list[str]:
        return self._transport.argv(container, command, env=env)
