"""The command line: `terok-acp`."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    from terok_util import run_cli

    from terok_acp.cli.tree import COMMANDS

    return run_cli(COMMANDS, prog="terok-acp", distribution="terok-acp", argv=argv)
