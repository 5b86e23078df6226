"""Checks whether a run of one agent would start, which changes nothing, and sets the host up."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, replace

from terok_util import TerokError, ensure_dir

from terok_executor.credentials import DEFAULT_SET, require_credential
from terok_executor.errors import ExecutorError
from terok_executor.image.builder import ImageBuilder
from terok_executor.image.podman import ImagePodman
from terok_executor.image.reference import DEFAULT_BASE_IMAGE
from terok_executor.integrations.sandbox import SandboxConfig, SSHManager, check_setup, find_git, open_vault, run_setup
from terok_executor.paths import state_dir
from terok_executor.roster.roster import AgentRoster

SSH_SCOPE = "standalone"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """The result of one check, and what to do if it failed.

    A run starts even if a check that is not `needed` failed.
    """

    name: str
    ok: bool
    message: str
    fix: str = ""
    needed: bool = True
    command: tuple[str, ...] = ()
    """Arguments of `terok-executor` that fix it; empty if a person has to."""


class Preflight:
    """The checks for one agent and provider, each of which can be asked for alone."""

    def __init__(
        self,
        provider: str,
        *,
        bound_provider: str | None = None,
        base_image: str = DEFAULT_BASE_IMAGE,
        family: str | None = None,
        credential_set: str = "default",
        roster: AgentRoster | None = None,
        config: SandboxConfig | None = None,
    ) -> None:
        """Name the agent (`provider`), and the model provider it is to use; RosterError if they do not fit."""
        self._roster = roster or AgentRoster.load()
        self._agent = self._roster.agent(provider)
        self._provider = self._roster.bind(self._agent, bound_provider)
        self._config = config or SandboxConfig.load()
        self._builder = ImageBuilder(base_image, family)
        self._credential_set = credential_set

    def run(self) -> bool:
        """Return whether a run would start: every check that it needs passes."""
        return all(check.ok or not check.needed for check in self.results())

    def results(self) -> tuple[CheckResult, ...]:
        """Return the result of every check, in the order in which to fix them."""
        podman = self.check_podman()
        if not podman.ok:
            return (podman,)
        host = podman, self.check_git(), self.check_sandbox()
        return *host, self.check_images(), self.check_credentials(), self.check_shield()

    def check_podman(self) -> CheckResult:
        """Check that Podman is installed."""
        return _result("podman", lambda: f"found at {ImagePodman.find().binary}")

    def check_sandbox(self) -> CheckResult:
        """Check that this host is set up."""

        def look() -> str:
            check_setup(self._config)
            return "set up"

        return _result("sandbox", look, "setup")

    def check_git(self) -> CheckResult:
        """Check that git, which mirrors repositories, is installed."""
        return _result("git", lambda: f"found at {find_git()}")

    def check_ssh_key(self, scope: str = SSH_SCOPE) -> CheckResult:
        """Check for an SSH key that containers of a scope may sign with; a run does not need one."""

        def look() -> str:
            with open_vault(self._config) as vault:
                keys = len(SSHManager(vault).of_scope(scope))
            if not keys:
                raise ExecutorError(f"scope {scope} has no SSH key")
            return f"scope {scope}: {keys} SSH key{'s'[: keys > 1]}"

        return replace(_result("ssh key", look, "sandbox", "ssh", "add", scope), needed=False)

    def check_shield(self) -> CheckResult:
        """Report how connections are decided; there is nothing to fix."""
        return CheckResult("shield", ok=True, message=f"new containers are closed ({self._config.shield_mode})")

    def check_images(self) -> CheckResult:
        """Check for an up-to-date image with the agent; a run builds it first if there is none."""
        try:
            tag = self._builder.present([self._agent], self._roster.agents)
        except TerokError as error:
            return CheckResult("image", ok=False, message=error.message, fix=error.hint or "")
        if tag is not None:
            return CheckResult("image", ok=True, message=tag)
        base = self._builder.base.text
        command = ("build", self._agent.name, *(("--base", base) if base != DEFAULT_BASE_IMAGE else ()))
        message = "is built when a run first needs it"
        return CheckResult("image", False, message, f"terok-executor {shlex.join(command)}", False, command)

    def check_credentials(self) -> CheckResult:
        """Check that the vault has a credential of the provider."""

        def look() -> str:
            kind = require_credential(self._config, self._provider, self._credential_set)
            return f"{self._provider.label}: {kind.replace('_', ' ')} in set {self._credential_set}"

        chosen = () if self._credential_set == DEFAULT_SET else ("--credential-set", self._credential_set)
        return _result("credential", look, "auth", self._provider.name, *chosen)


def ensure_sandbox_ready(config: SandboxConfig, report: Callable[[str, str], None]) -> None:
    """Set the host up as far as it is not yet; `report` is called with each stage and its outcome.

    Raises RosterError before anything is done, and what `run_setup` raises.
    """
    ensure_dir(state_dir())
    roster = AgentRoster.load()
    run_setup(config, report)
    report("provider routes", "written" if roster.ensure_vault_routes(config) else "up to date")


def _result(name: str, check: Callable[[], str], *command: str) -> CheckResult:
    try:
        return CheckResult(name, ok=True, message=check())
    except TerokError as error:
        fix = f"terok-executor {shlex.join(command)}" if command else error.hint or ""
        return CheckResult(name, False, error.message, fix, command=command)
