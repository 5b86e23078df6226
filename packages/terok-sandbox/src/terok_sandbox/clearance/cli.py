"""The `clearance` verb."""

from __future__ import annotations

from terok_util import ArgDef, CommandDef

TYPE_CHECKING = False
if TYPE_CHECKING:  # typing costs more than the rest of the imports
    from typing import Final

_HANDLERS: Final = "terok_sandbox.clearance.handlers"
_REQUEST: Final = ArgDef("request", metavar="REQUEST", help="id of the request, as `clearance list` shows it")
_REASON: Final = ArgDef("--reason", metavar="TEXT", help="reason that the agent can read")
_CONTAINER: Final = ArgDef("--container", metavar="NAME", help="one container only")
_SCOPES: Final = (
    ArgDef("--once", action="store_true", group="scope", help="for new connections within a minute (default)"),
    ArgDef("--minutes", type=int, metavar="N", group="scope", help="for N minutes"),
    ArgDef("--task", action="store_true", group="scope", help="while this container exists"),
    ArgDef("--project", action="store_true", group="scope", help="for this container and later ones of its project"),
)

VERBS: Final = (
    CommandDef(
        "clearance",
        help="answer what default-deny has refused: here as requests come, or with a verb below",
        handler=f"{_HANDLERS}:watch",
        args=(
            ArgDef("--json", action="store_true", dest="as_json", help="only print one JSON object per event"),
            _CONTAINER,
        ),
        group="services",
        children=(
            CommandDef(
                "list",
                help="list the requests that wait",
                handler=f"{_HANDLERS}:list_waiting",
                args=(ArgDef("--json", action="store_true", dest="as_json", help="print JSON"), _CONTAINER),
            ),
            CommandDef(
                "allow",
                help="allow what a request asks for",
                handler=f"{_HANDLERS}:allow",
                args=(_REQUEST, *_SCOPES, _REASON),
            ),
            CommandDef(
                "deny",
                help="deny it, and let the agent know why",
                handler=f"{_HANDLERS}:deny",
                args=(_REQUEST, *_SCOPES, _REASON),
            ),
            CommandDef(
                "notify",
                help="show requests of all containers as desktop notifications until stopped",
                handler=f"{_HANDLERS}:notify",
                args=(
                    ArgDef("--install", action="store_true", group="autostart", help="start it with every session"),
                    ArgDef("--uninstall", action="store_true", group="autostart", help="no longer start it"),
                ),
            ),
        ),
    ),
)
