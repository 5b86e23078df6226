"""The command line: `terok`, and `terokctl` for scripts."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code; without a command the terminal interface, on a terminal."""
    import sys

    from terok_util import run_cli

    from terok.cli.tree import COMMANDS

    bare = "terok.cli.tui:tui" if sys.stdin.isatty() and sys.stdout.isatty() else None
    return run_cli(COMMANDS, prog="terok", distribution="terok", argv=argv, bare=bare)


def main_for_scripts(argv: Sequence[str] | None = None) -> int:
    """Run `terokctl`: the same commands, which never ask."""
    from terok_util import run_cli

    from terok.cli.tree import COMMANDS

    return run_cli(COMMANDS, prog="terokctl", distribution="terok", argv=argv, ask=False)
