"""The verbs of `terok acp`: editors and the agents of tasks."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef

from terok.integrations.acp import COMMANDS as ACP

_PROJECT = ArgDef(
    "project",
    metavar="PROJECT",
    nargs="?",
    help="project (default: the one of this directory)",
    completer="terok.cli.complete:projects",
)
_TASK = ArgDef(
    "task",
    metavar="TASK",
    nargs="?",
    help="task (default: the project's own for editors, made if there is none)",
    completer="terok.cli.complete:tasks",
)
_ONE_TASK = ArgDef("task", metavar="TASK", nargs="+", help="task", completer="terok.cli.complete:tasks")
_CONFIG = next(node for node in ACP if node.name == "config")

VERBS = (
    CommandDef(
        "connect",
        help="be the agent of an editor: standard input and output are the protocol",
        handler="terok.cli.acp:connect",
        args=(_PROJECT, _TASK),
    ),
    CommandDef(
        "start",
        help="start the task that an editor works in, and print its container",
        handler="terok.cli.acp:start",
        args=(_PROJECT, _TASK, JSON),
    ),
    CommandDef(
        "list",
        help="list the tasks that an editor can work in",
        handler="terok.cli.acp:list_endpoints",
        args=(_PROJECT, JSON),
    ),
    CommandDef(
        "probe",
        help="start an agent of a running task for a moment and show what it offers",
        handler="terok.cli.acp:probe",
        args=(_ONE_TASK, ArgDef("--agent", metavar="AGENT", help="which agent (default: the task's own)"), JSON),
    ),
    _CONFIG,
)
