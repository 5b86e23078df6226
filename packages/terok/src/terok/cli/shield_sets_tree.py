"""`terok shield sets`: data only."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef

from terok.cli.project_tree import COMPLETE_PROJECT

SETS = CommandDef(
    "sets",
    help="show or choose the sets of destinations that a project's tasks may reach",
    handler="terok.cli.shield_sets:sets",
    args=(
        ArgDef(
            "project", metavar="PROJECT", nargs="?", help="whose (default: of config.yml)", completer=COMPLETE_PROJECT
        ),
        ArgDef("--set", dest="chosen", metavar="SETS", help="a,b, or none, or default (config.yml's)"),
        JSON,
    ),
    epilog="A set is a profile of the shield; @pip, @npm, @apt and @dnf in it are what image and host are set to.\n",
    source="terok",
)
