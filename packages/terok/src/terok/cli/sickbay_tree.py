"""`terok sickbay`: data only."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef

SICKBAY = CommandDef(
    "sickbay",
    help="look for what is wrong, and mend it",
    handler="terok.cli.sickbay:sickbay",
    args=(
        ArgDef(
            "project", metavar="PROJECT", nargs="?", help="only this project", completer="terok.cli.complete:projects"
        ),
        ArgDef(
            "task",
            metavar="TASK",
            nargs="?",
            help="only this task, also from inside its container",
            completer="terok.cli.complete:tasks",
        ),
        ArgDef("--fix", action="store_true", help="mend what can be mended without taking anything away"),
        ArgDef("--system", action="store_true", help="only the host and terok's own files"),
        JSON,
    ),
    epilog="""\
Each line is ok, info, WARN or ERROR. What does not answer in time is a warning, and never taken for absent.

exit codes:
  0    all is well
  1    there are warnings
  2    there are errors
""",
    source="terok",
)
