"""Command trees: commands as values, composed across wheels, wired to argparse when they are typed."""

from __future__ import annotations

from terok_util.lazy import lazy_exports

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok_util.commands.args import ArgDef
    from terok_util.commands.complete import COMPLETIONS
    from terok_util.commands.defs import CommandDef
    from terok_util.commands.front import run_cli
    from terok_util.commands.tree import CommandTree

    __all__ = ["COMPLETIONS", "ArgDef", "CommandDef", "CommandTree", "run_cli"]
else:
    __getattr__, __dir__, __all__ = lazy_exports(
        __name__,
        {
            "COMPLETIONS": ".complete",
            "ArgDef": ".args",
            "CommandDef": ".defs",
            "CommandTree": ".tree",
            "run_cli": ".front",
        },
    )
