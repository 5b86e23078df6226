"""The command line: `terok`, and `terokctl` for scripts."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line and return its exit code."""
    from terok_util import run_cli

    from terok.cli.tree import COMMANDS

    return run_cli(COMMANDS, prog="terok", distribution="terok", argv=argv)


def main_for_scripts(argv: Sequence[str] | None = None) -> int:
    """Run `terokctl`: the same commands, which never ask."""
    from terok_util import run_cli

    from terok.cli.tree import COMMANDS

    return run_cli(COMMANDS, prog="terokctl", distribution="terok", argv=argv, ask=False)
