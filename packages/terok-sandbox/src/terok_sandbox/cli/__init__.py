"""The `terok-sandbox` command."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv` (default: the process's own) and return the exit status."""
    from terok_util import run_cli

    from terok_sandbox.cli.tree import COMMANDS

    return run_cli(COMMANDS, prog="terok-sandbox", distribution="terok-sandbox", argv=argv)
