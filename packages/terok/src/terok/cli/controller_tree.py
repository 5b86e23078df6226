"""The verbs of `terok controller`: data only."""

from __future__ import annotations

from terok_util import JSON, CommandDef

VERBS = (
    CommandDef(
        "status",
        help="print whether it runs, and what it does",
        handler="terok.cli.controller:status",
        args=(JSON,),
    ),
    CommandDef("start", help="start it, unless it runs", handler="terok.cli.controller:start"),
    CommandDef("stop", help="end it; tasks go on, and the next verb starts it", handler="terok.cli.controller:stop"),
)
