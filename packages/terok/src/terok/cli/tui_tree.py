"""`terok tui`: data only."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef, whole_number

TUI = CommandDef(
    "tui",
    help="open the terminal interface",
    handler="terok.cli.tui:tui",
    args=(
        ArgDef(
            "--plain",
            action="store_true",
            group="form",
            help="plain lines and numbered menus: for screen readers, slow lines",
        ),
        ArgDef("--web", action="store_true", group="form", help="serve it to browsers: prints a link that works once"),
        ArgDef(
            "--listen",
            metavar="ADDRESS",
            help="with --web, serve other machines at this address; the network then sees and can change everything",
        ),
        ArgDef("--port", type=whole_number, metavar="N", help="with --web, the port (default: a free one)"),
        ArgDef(
            "--keys", action="store_true", help="list every action with its keys and the command that does the same"
        ),
        JSON,
    ),
    epilog="Without a command `terok` opens it too. TEROK_PLAIN=1 is as --plain, NO_COLOR=1 leaves colors out.\n",
    source="terok",
)
