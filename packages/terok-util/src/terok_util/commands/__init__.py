"""Command trees: commands as values, composed across wheels, wired to argparse when they are typed."""

from __future__ import annotations

from terok_util.lazy import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_util.commands.args import ArgDef as ArgDef
    from terok_util.commands.complete import COMPLETIONS as COMPLETIONS
    from terok_util.commands.defs import CommandDef as CommandDef
    from terok_util.commands.front import run_cli as run_cli
    from terok_util.commands.tree import CommandTree as CommandTree
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            ".args": "ArgDef",
            ".complete": "COMPLETIONS",
            ".defs": "CommandDef",
            ".front": "run_cli",
            ".tree": "CommandTree",
        },
    )
