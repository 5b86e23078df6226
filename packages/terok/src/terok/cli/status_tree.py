"""`terok status`, `terok events` and `terok controller`: data only."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef, whole_number

STATUS = CommandDef(
    "status",
    help="print what needs you",
    handler="terok.cli.status:status",
    args=(
        ArgDef(
            "-q/--quiet", action="store_true", help="print only how many tasks need you, for prompts and status bars"
        ),
        JSON,
    ),
)
EVENTS = CommandDef(
    "events",
    help="print what has happened to tasks",
    handler="terok.cli.events:events",
    args=(
        ArgDef("-f/--follow", action="store_true", help="print a snapshot, and then each event as it comes"),
        ArgDef("--after", type=whole_number, metavar="SEQ", help="only events after this one; no snapshot"),
        JSON,
    ),
)
CONTROLLER = CommandDef(
    "controller",
    help="the process that looks after tasks while nobody does",
    children=(
        CommandDef(
            "status",
            help="print whether it runs, and what it does",
            handler="terok.cli.controller:status",
            args=(JSON,),
        ),
        CommandDef("start", help="start it, unless it runs", handler="terok.cli.controller:start"),
        CommandDef(
            "stop", help="end it; tasks go on, and the next verb starts it", handler="terok.cli.controller:stop"
        ),
    ),
)
