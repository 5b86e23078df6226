"""Makes a host ready for runs: the sandbox's set-up and the vault's routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from terok_util import ensure_dir

from terok_executor.integrations.sandbox import run_setup
from terok_executor.paths import state_dir
from terok_executor.roster.roster import AgentRoster

if TYPE_CHECKING:
    from terok_executor.integrations.sandbox import SandboxConfig


def ensure_sandbox_ready(config: SandboxConfig, report: Callable[[str, str], None]) -> None:
    """Set the host up as far as it is not yet; `report` is told each stage and its outcome.

    Raises RosterError before anything is done, then what the sandbox's set-up raises.
    """
    ensure_dir(state_dir())
    roster = AgentRoster.load()
    run_setup(config, report)
    report("provider routes", "written" if roster.ensure_vault_routes(config) else "up to date")
