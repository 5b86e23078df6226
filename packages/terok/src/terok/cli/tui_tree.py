"""`terok tui`: data only."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef

TUI = CommandDef(
    "tui",
    help="open the terminal interface",
    handler="terok.cli.tui:tui",
    args=(
        ArgDef("--plain", action="store_true", help="plain lines and numbered menus: for screen readers, slow lines"),
        ArgDef(
            "--keys", action="store_true", help="list every action with its keys and the command that does the same"
        ),
        JSON,
    ),
    epilog="Without a command `terok` opens it too. TEROK_PLAIN=1 is as --plain, NO_COLOR=1 leaves colors out.\n",
    source="terok",
)
