"""The `clearance` verb."""

from __future__ import annotations

from terok_util import JSON, ArgDef, CommandDef

_HANDLERS = "terok_sandbox.clearance.handlers"
_REQUEST = ArgDef("request", metavar="REQUEST", help="id of the request, as `clearance list` shows it")
_REASON = ArgDef("--reason", metavar="TEXT", help="reason that the agent can read")
_CONTAINER = ArgDef("--container", metavar="NAME", help="one container only")
_SCOPES = (
    ArgDef("--once", action="store_true", group="scope", help="for new connections within a minute (default)"),
    ArgDef("--minutes", type=int, metavar="N", group="scope", help="for N minutes"),
    ArgDef("--task", action="store_true", group="scope", help="while this container exists"),
    ArgDef("--project", action="store_true", group="scope", help="for this container and later ones of its project"),
)


def _verb(name: str, text: str, *args: ArgDef, handler: str = "") -> CommandDef:
    return CommandDef(name, help=text, handler=f"{_HANDLERS}:{handler or name}", args=args)


VERBS = (
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
            _verb("list", "list the requests that wait", JSON, _CONTAINER, handler="list_waiting"),
            _verb("allow", "allow what a request asks for", _REQUEST, *_SCOPES, _REASON),
            _verb("deny", "deny it, and let the agent know why", _REQUEST, *_SCOPES, _REASON),
            _verb(
                "notify",
                "show requests of all containers as desktop notifications until stopped",
                ArgDef("--install", action="store_true", group="autostart", help="start it with every session"),
                ArgDef("--uninstall", action="store_true", group="autostart", help="no longer start it"),
            ),
        ),
    ),
)
