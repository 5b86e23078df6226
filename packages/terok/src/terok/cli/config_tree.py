"""The verbs of `terok config`: data only."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef

_HANDLERS = "terok.cli.config"
_PROJECT = ArgDef(
    "project",
    metavar="PROJECT",
    nargs="?",
    help="a project (default: config.yml)",
    completer="terok.cli.complete:projects",
)
_OF_PROJECT = ArgDef("--project", metavar="PROJECT", help="in a project", completer="terok.cli.complete:projects")
_PRESET = ArgDef("--preset", metavar="NAME", help="with a preset on top")
_KEY = ArgDef("key", metavar="KEY", help="a key such as run.memory, or a section", completer="terok.cli.complete:keys")

VERBS = (
    CommandDef("paths", help="list the places of files and directories", handler=f"{_HANDLERS}:paths", args=(JSON,)),
    CommandDef(
        "resolved",
        help="list the settings that hold, and where each was set",
        handler=f"{_HANDLERS}:resolved",
        args=(
            _PROJECT,
            _PRESET,
            ArgDef("--all", dest="everything", action="store_true", help="defaults too"),
            JSON,
        ),
    ),
    CommandDef(
        "explain",
        help="explain a key: what it is for, its value, and every layer that sets it",
        handler=f"{_HANDLERS}:explain_key",
        args=(_KEY, _OF_PROJECT, _PRESET, JSON),
    ),
    CommandDef(
        "schema",
        help="list the keys of a file; with --json its JSON Schema, for editors",
        handler=f"{_HANDLERS}:schema",
        args=(ArgDef("kind", choices=("global", "project"), nargs="?", default="project", help="which file"), JSON),
    ),
    CommandDef(
        "validate",
        help="list everything that is wrong in config.yml and in projects",
        handler=f"{_HANDLERS}:validate",
        args=(
            ArgDef(
                "projects",
                metavar="PROJECT",
                nargs="*",
                help="only these (default: all)",
                completer="terok.cli.complete:projects",
            ),
            JSON,
        ),
        epilog="exit codes:\n  0    nothing is wrong\n  1    something is\n",
    ),
    CommandDef(
        "edit",
        help="change a key of config.yml, or open the file in an editor",
        handler="terok.cli.config_edit:edit",
        args=(
            ArgDef("key", metavar="KEY", nargs="?", help="such as tasks.slots", completer="terok.cli.complete:keys"),
            ArgDef("value", metavar="VALUE", nargs="?", help="its new value, as YAML"),
            ArgDef("--unset", action="store_true", help="take the key out of the file"),
        ),
    ),
)
