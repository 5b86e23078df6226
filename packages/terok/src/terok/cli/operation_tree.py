"""`terok undo` and `terok op`: data only."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef, whole_number

UNDO = CommandDef(
    "undo",
    help="take back the last thing that was deleted, rejected or archived",
    handler="terok.cli.operation:undo",
    args=(
        ArgDef(
            "number", metavar="N", nargs="?", type=whole_number, help="number of an operation, as `op log` shows it"
        ),
        JSON,
    ),
    source="terok",
)
OP = CommandDef(
    "op",
    help="what was done that can be taken back",
    children=(
        CommandDef(
            "log",
            help="list operations, the newest first",
            handler="terok.cli.operation:log",
            args=(ArgDef("--all", dest="everything", action="store_true", help="all, not the newest 20"), JSON),
        ),
    ),
    source="terok",
)
