"""The command line: `terok-executor`."""

from __future__ import annotations

from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    try:
        from terok_util import CommandTree, run_cli

        from terok_executor.cli.tree import standalone_commands

        tree = CommandTree(standalone_commands())
    except KeyboardInterrupt:  # run_cli takes it from here on
        return 130
    return run_cli(tree, prog="terok-executor", distribution="terok-executor", argv=argv)
