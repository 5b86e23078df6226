"""The verbs of `terok op`: data only."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef

VERBS = (
    CommandDef(
        "log",
        help="list operations, the newest first",
        handler="terok.cli.operation:log",
        args=(ArgDef("--all", dest="everything", action="store_true", help="all, not the newest 20"), JSON),
    ),
)
