"""The verbs of `terok project`: data only."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef

from terok.integrations.sandbox import GATE_VERBS

_HANDLERS = "terok.cli.project_changes"
COMPLETE_PROJECT = "terok.cli.complete:projects"
PROJECT_ARG = ArgDef("project", metavar="PROJECT", help="name of a project", completer=COMPLETE_PROJECT)
REBUILD = (
    ArgDef("--rebuild", action="store_true", help="build agents and the project's own lines anew"),
    ArgDef("--full-rebuild", action="store_true", help="build base and tools anew too"),
)
_EDIT = """\
A value is read as YAML: 4g, 2.5, true, [a, b]. Nothing else in the file changes, and a value that is wrong is refused.
Without a key the file is opened in $VISUAL or $EDITOR, and checked afterwards.
"""

VERBS = (
    CommandDef("list", help="list projects, broken ones too", handler="terok.cli.project:list_all", args=(JSON,)),
    CommandDef("show", help="show a project", handler="terok.cli.project:show_one", args=(PROJECT_ARG, JSON)),
    CommandDef(
        "wizard",
        help="make a project by a few questions",
        handler=f"{_HANDLERS}:wizard",
        args=(
            ArgDef("--answers", metavar="FILE", help="answers instead of questions: sections of project.yml, and name"),
            JSON,
        ),
    ),
    CommandDef(
        "init",
        help="make a project ready: its mirror and its image",
        handler=f"{_HANDLERS}:init",
        args=(
            PROJECT_ARG,
            ArgDef("repo", metavar="REPO", nargs="?", help="repository of a new project"),
            JSON,
        ),
    ),
    CommandDef(
        "edit",
        help="change a key of a project, or open its file in an editor",
        handler=f"{_HANDLERS}:edit",
        args=(
            PROJECT_ARG,
            ArgDef("key", metavar="KEY", nargs="?", help="such as run.memory", completer="terok.cli.complete:keys"),
            ArgDef("value", metavar="VALUE", nargs="?", help="its new value"),
            ArgDef("--unset", action="store_true", help="take the key out of the file"),
        ),
        epilog=_EDIT,
    ),
    CommandDef(
        "derive",
        help="make a project with the settings of another",
        handler=f"{_HANDLERS}:derive",
        args=(
            PROJECT_ARG,
            ArgDef("name", metavar="NAME", help="name of the new project"),
            ArgDef("--upstream", metavar="REPO", help="its repository (default: the same)"),
        ),
    ),
    CommandDef(
        "build",
        help="build the image of a project",
        handler=f"{_HANDLERS}:build",
        args=(PROJECT_ARG, *REBUILD, JSON),
    ),
    CommandDef(
        "agents",
        help="show or choose the agents in a project's image",
        handler="terok.cli.agents:of_project",
        args=(PROJECT_ARG, ArgDef("selection", metavar="SELECTION", nargs="?", help="all, a,b or all,-x"), JSON),
    ),
    CommandDef(
        "delete",
        help="delete a project; `undo` brings it back",
        handler=f"{_HANDLERS}:delete",
        args=(PROJECT_ARG, JSON),
    ),
    CommandDef("gate", help="the mirror of a project; SCOPE is its name", children=GATE_VERBS),
)
