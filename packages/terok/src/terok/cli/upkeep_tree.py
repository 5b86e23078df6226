"""`terok panic`, `sickbay`, `storage` and `usage`: data only."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef

_PANIC_EPILOG = """\
Every sandboxed container of this user is cut off, tasks or not: the rules in the kernel close first, then its services
end and its tokens are revoked. Until --clear nothing starts, whichever command asks. The evidence is a directory that
only you can read; its log is chained by hashes.

--clear takes up again what should run, in new containers with the same workspaces and conversations. What a task has
installed in its old container beside that is gone; sealed tasks stay as they are.

exit codes:
  0    everything is cut off, or the lockdown has ended
  1    something may not be, or a task could not be taken up again; the output says what
  2    the word was not typed, or there is no terminal to type it on and no --yes
"""

PANIC = CommandDef(
    "panic",
    help="cut every container off, revoke its tokens, and let nothing start until --clear",
    handler="terok.cli.panic:panic",
    args=(
        ArgDef("--stop", action="store_true", help="also end every container", group="what"),
        ArgDef("--clear", action="store_true", help="end the lockdown and take up what should run", group="what"),
        ArgDef("--yes", action="store_true", help="do not ask for the word"),
        JSON,
    ),
    epilog=_PANIC_EPILOG,
    source="terok",
)

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

STORAGE = CommandDef(
    "storage",
    help="what terok keeps, what it takes up on disk, and for how long",
    handler="terok.cli.storage:show_all",
    args=(ArgDef("--all", dest="everything", action="store_true", help="each thing, not only kinds"), JSON),
    children=(
        CommandDef(
            "clean",
            help="list what is not needed any more, or remove it",
            handler="terok.cli.storage:clean",
            args=(ArgDef("--yes", action="store_true", help="remove it"), JSON),
            epilog="""\
Only what nothing needs: deleted tasks whose time in the trash is over, directories with terok's own marker whose task
is not recorded and which nobody has changed for as long, images left over from builds or of projects that are gone.

exit codes:
  0    there is nothing left to remove, or it was only listed
  1    something could not be asked about or removed; the output says why
""",
        ),
    ),
    source="terok",
)

USAGE = CommandDef(
    "usage",
    help="what tasks have used and cost",
    handler="terok.cli.usage:usage",
    args=(
        ArgDef(
            "--by",
            choices=("task", "project", "day", "model", "agent", "credential"),
            default="task",
            help="add up by (%(default)s)",
        ),
        ArgDef("--since", metavar="TIME", help="only since then: 24h, 7d, or a date"),
        ArgDef("--until", metavar="TIME", help="only before then"),
        ArgDef("--csv", dest="as_csv", action="store_true", help="print CSV", group="format"),
        ArgDef("--json", dest="as_json", action="store_true", help="print JSON", group="format"),
    ),
    epilog="""\
A cost is `?` where a price is not known, `at least $1` where only some are, and `plan` where a subscription pays for
the calls. Days are those of UTC. Use is kept by the hour: one in which the time asked for begins or ends counts whole.
""",
    source="terok",
)
