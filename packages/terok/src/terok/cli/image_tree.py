"""The verbs of `terok image`: data only."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef

from terok.cli.project_tree import COMPLETE_PROJECT, REBUILD

_HANDLERS = "terok.cli.image"

VERBS = (
    CommandDef("list", help="list terok's images", handler=f"{_HANDLERS}:list_all", args=(JSON,)),
    CommandDef(
        "build",
        help="build the image of a project, or of the agents chosen by `agents set`",
        handler=f"{_HANDLERS}:build",
        args=(
            ArgDef("project", metavar="PROJECT", nargs="?", help="whose image", completer=COMPLETE_PROJECT),
            ArgDef("--agents", metavar="SELECTION", help="all, a,b or all,-x; not with a project"),
            *REBUILD,
            JSON,
        ),
    ),
    CommandDef(
        "cleanup",
        help="list images that nothing needs any more, or remove them",
        handler=f"{_HANDLERS}:clean_up",
        args=(ArgDef("--yes", action="store_true", help="remove them"), JSON),
    ),
    CommandDef("usage", help="show what images take up on disk", handler=f"{_HANDLERS}:usage", args=(JSON,)),
)
