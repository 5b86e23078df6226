"""Verbs about this host: setup, uninstall."""

from __future__ import annotations

import sys

from terok_util import may_ask

from terok_sandbox.config import SandboxConfig
from terok_sandbox.vault.passphrase.record import TierName


def setup(*, check: bool, passphrase_tier: TierName | None = None) -> None:
    """Set the host up, or only check that it is."""
    from terok_sandbox.setup.prerequisites import check_prerequisites
    from terok_sandbox.setup.stages import require, run_setup
    from terok_sandbox.setup.state import check_setup
    from terok_sandbox.version import VERSION

    if check:
        check_setup(SandboxConfig.load())
        print(f"set up for terok-sandbox {VERSION}")
        return
    require(check_prerequisites())
    config = SandboxConfig.load()
    fresh = not config.db_path.exists()
    run_setup(config, _report, passphrase_tier=passphrase_tier)
    if fresh and not config.credentials_passphrase_command:
        _show_recovery_key(config)


def _show_recovery_key(config: SandboxConfig) -> None:
    """Show a new vault's recovery key once, on a terminal, and take the user's word that it is written down."""
    from terok_sandbox.vault.passphrase.record import update_record
    from terok_sandbox.vault.unlock import resolve_passphrase

    if not (may_ask() and sys.stdout.isatty()):
        print("recovery key: not shown; run `terok-sandbox vault passphrase reveal` on a terminal and write it down")
        return
    print("recovery key (opens the vault anywhere; it is shown this once, write it down):")
    print(f"    {resolve_passphrase(config)}")
    if input("Type yes once it is written down: ").strip().lower() == "yes":
        update_record(config, acknowledged=True)


def uninstall() -> None:
    """Remove everything that setup installed."""
    from terok_sandbox.setup.stages import run_uninstall

    run_uninstall(SandboxConfig.load(), _report)


def _report(stage: str, outcome: str) -> None:
    print(f"{stage}: {outcome}", flush=True)
