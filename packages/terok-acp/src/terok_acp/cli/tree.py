"""The commands as data: names, arguments and where their handlers are. Nothing here imports a handler."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef, CommandTree

_CONTAINER = ArgDef("container", metavar="CONTAINER", help="a running container with agents")

COMMANDS = CommandTree(
    (
        CommandDef(
            "connect",
            help="be the agent of an editor: standard input and output are the protocol",
            handler="terok_acp.cli.serving:connect",
            args=(
                _CONTAINER,
                ArgDef("--socket", metavar="PATH", help="where the daemon listens (default: by the container's name)"),
            ),
        ),
        CommandDef(
            "serve",
            help="serve a container's agents at a socket until the container ends",
            handler="terok_acp.cli.serving:serve",
            args=(
                _CONTAINER,
                ArgDef("socket", metavar="SOCKET", nargs="?", help="path of the socket (default: by the name)"),
                ArgDef("--agent", metavar="AGENT", help="agent of new sessions (default: the container's own)"),
            ),
        ),
        CommandDef(
            "list",
            help="list the agents of a container, whether they are signed in, and their models",
            handler="terok_acp.cli.agents:list_agents",
            args=(_CONTAINER, JSON),
        ),
        CommandDef(
            "probe",
            help="start an agent and show what it offers",
            handler="terok_acp.cli.agents:show_probe",
            args=(_CONTAINER, ArgDef("agent", metavar="AGENT", help="which agent; see `list`"), JSON),
        ),
        CommandDef(
            "config",
            help="print an editor's configuration for this command",
            handler="terok_acp.cli.configuration:config",
            args=(
                ArgDef("editor", metavar="EDITOR", help="zed, jetbrains, toad, codecompanion, avante or agent-shell"),
                ArgDef("words", metavar="WORD", nargs="*", help="what follows the command, such as PROJECT and TASK"),
            ),
        ),
    )
)
"""The tree that other wheels compose."""
