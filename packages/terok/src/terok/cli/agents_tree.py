"""The verbs of `terok agents`: those of the executor, and where a person's own files are."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef

from terok.integrations.executor import COMMANDS as EXECUTOR

_OURS = CommandDef(
    "dir",
    help="print the directory of your own agents, or the file that would be an agent's own",
    handler="terok.cli.agents:directory",
    args=(ArgDef("agent", metavar="AGENT", nargs="?", help="which agent"), JSON),
)
_BELOW = next(node for node in EXECUTOR if node.name == "agents")
_CHILDREN = (
    node.replace(handler="terok.cli.agents:choose") if node.name == "set" else node for node in _BELOW.children
)
VERBS = (*_CHILDREN, _OURS)
