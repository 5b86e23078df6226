"""The command line: ``terok-executor``."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    from terok_util import CommandTree, run_cli

    from terok_executor.cli.tree import standalone_commands

    return run_cli(
        CommandTree(standalone_commands()),
        prog="terok-executor",
        distribution="terok-executor",
        argv=argv,
    )
