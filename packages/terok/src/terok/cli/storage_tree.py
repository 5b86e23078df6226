"""`terok storage`: data only."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef

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
