"""The wall's front: params and results of one session, in both directions."""

from __future__ import annotations

from typing import Any, Final

from terok_util import safe_text

from terok_acp.protocol.frames import INTERNAL_ERROR, INVALID_PARAMS, METHOD_NOT_FOUND
from terok_acp.protocol.shapes import PERMISSION_OPTION, REFUSED, TOOL_CALL_UPDATE, Many, Record, salvage
from terok_acp.wall.content import block_in, name_of, with_safe
from terok_acp.wall.markdown import ImageGuard, without_images
from terok_acp.wall.mcp import servers_in
from terok_acp.wall.methods import passes_in, passes_out
from terok_acp.wall.paths import PathRefused, Roots, map_in, path_in
from terok_acp.wall.rules import Answered, Passed, Refused, Rules
from terok_acp.wall.updates import tool_call_out, update_out

_PERMISSION: Final = Record({"toolCall": TOOL_CALL_UPDATE, "options": Many(PERMISSION_OPTION)})
_FORM: Final = Record({"message": str, "requestedSchema": dict})
_KNOWN_META: Final = frozenset({"traceparent", "tracestate", "baggage"})
_ARGUMENTS: Final = {
    "session/update": frozenset(["self", "session_id", "update"]),
    "session/request_permission": frozenset(["self", "session_id", "tool_call", "options"]),
    "elicitation/create": frozenset(["self", "message", "mode"]),
    "elicitation/complete": frozenset(["self", "elicitation_id"]),
}
"""Names of arguments of handlers in the protocol's Python SDK, which lets `_meta` replace them."""
_MAX_MESSAGE: Final = 4000


def to_container(method: str, params: object, roots: Roots, rules: Rules) -> Passed | Refused:
    """Return what the backend gets of an editor's request or notification; ids in it are the router's."""
    if not passes_in(method):
        return Refused(METHOD_NOT_FOUND, f"{name_of(method)} is not available")
    if not isinstance(params, dict):
        return Refused(INVALID_PARAMS, "params are not an object")
    params = _known_meta(params)
    notices: list[str] = []
    try:
        if "cwd" in params:
            params = params | {"cwd": path_in(params["cwd"], roots)}
    except PathRefused as error:
        return Refused(INVALID_PARAMS, f"cwd: {error}")
    if "additionalDirectories" in params:
        directories = _directories(params["additionalDirectories"], roots, notices)
        params = params | {"additionalDirectories": directories}
    if "mcpServers" in params:
        servers, left_out = servers_in(params["mcpServers"], rules)
        params = params | {"mcpServers": servers}
        notices += left_out
    if method == "session/prompt":
        if not isinstance(params.get("prompt"), list):
            return Refused(INVALID_PARAMS, "prompt is not a list")
        blocks = [block_in(block, roots, rules, notices) for block in params["prompt"]]
        params = params | {"prompt": [block for block in blocks if block is not None]}
    return Passed(params, tuple(notices))


def to_editor(
    method: str, params: object, roots: Roots, rules: Rules, guard: ImageGuard | None = None
) -> dict[str, Any] | Refused | Answered | None:
    """Return what the editor gets of a backend's request or notification.

    The same object if nothing has to change; None for a notification that is dropped. What a request is answered with
    instead, `Refused` and `Answered` say; a notification is dropped then, too. `guard` is the state of this session's
    texts towards this editor.
    """
    if isinstance(params, dict) and "_meta" in params:
        params = _without_arguments(params, _ARGUMENTS.get(method, frozenset()))
    if method == "session/update":
        if not isinstance(params, dict) or not isinstance(update := params.get("update"), dict):
            return None
        new = update_out(update, roots, rules, guard)
        if new is update:
            return params
        return None if new is None else params | {"update": new}
    if not passes_out(method):
        return Refused(METHOD_NOT_FOUND, f"{name_of(method)} is not available")
    if not isinstance(params, dict):
        return Refused(INVALID_PARAMS, "params are not an object")
    if method == "session/request_permission":
        return _permission(params, roots, rules)
    if method == "elicitation/create":
        return _elicitation(params)
    return params


def result_to_editor(result: object) -> dict[str, Any]:
    """Return a backend's result as the editor gets it: an object that offers no way to sign in."""
    if not isinstance(result, dict):
        return {}
    meta = result.get("_meta")
    if isinstance(meta, dict) and "terminal-auth" in meta:
        result = result | {"_meta": {name: value for name, value in meta.items() if name != "terminal-auth"}}
    if "authMethods" in result:
        result = {name: value for name, value in result.items() if name != "authMethods"}
    return result


def result_to_container(result: object) -> dict[str, Any]:
    """Return an editor's answer, to a permission request or a form, as the backend gets it."""
    return _known_meta(result) if isinstance(result, dict) else {}


def error_to_editor(error: object) -> dict[str, Any]:
    """Return a backend's error as the editor gets it: its number, one safe message, and details if there are any.

    The rest of `data` is left out: it may offer ways to sign in that would start a program on the host.
    """
    values = error if isinstance(error, dict) else {}
    code, message, data = values.get("code"), values.get("message"), values.get("data")
    safe: dict[str, Any] = {
        "code": code if isinstance(code, int) and not isinstance(code, bool) else INTERNAL_ERROR,
        "message": name_of(message, "the agent gave no reason"),
    }
    details = data.get("details") if isinstance(data, dict) else data
    if isinstance(details, str):
        safe["data"] = {"details": safe_text(details, limit=_MAX_MESSAGE, multiline=True)}
    return safe


def _permission(params: dict[str, Any], roots: Roots, rules: Rules) -> dict[str, Any] | Refused:
    left: Any = salvage(params, _PERMISSION)
    if left is REFUSED:
        return Refused(INVALID_PARAMS, "a permission request has a toolCall and options")
    params = left
    call, options = params["toolCall"], params["options"]
    new_call = tool_call_out(call, roots, rules)
    new_options = [with_safe(option, "name") for option in options]
    if new_call is call and all(new is old for new, old in zip(new_options, options, strict=True)):
        return params
    return params | {"toolCall": new_call, "options": new_options}


def _elicitation(params: dict[str, Any]) -> dict[str, Any] | Answered | Refused:
    """Pass forms; decline everything that would open an address on the host, and show it in full."""
    if params.get("mode") != "form":
        url = params.get("url")
        shown = safe_text(url, limit=_MAX_MESSAGE) if isinstance(url, str) else "no address"
        return Answered({"action": "decline"}, (f"the agent asked to open an address, which was declined: {shown}",))
    left: Any = salvage(params, _FORM)
    if left is REFUSED:
        return Refused(INVALID_PARAMS, "a form has a message and a requestedSchema")
    params = left
    message = params["message"]
    safe = without_images(safe_text(message, multiline=True))
    return params if safe == message else params | {"message": safe}


def _directories(paths: object, roots: Roots, notices: list[str]) -> list[str]:
    kept = []
    for path in paths if isinstance(paths, list) else []:
        inside = map_in(path, roots)
        if inside is None:
            notices.append(f"{name_of(path)} was left out: it is outside of the session's directory")
        else:
            kept.append(inside)
    return kept


def _without_arguments(params: dict[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Leave out what one SDK would take from `_meta` in place of the parameter itself, past everything here."""
    meta = params["_meta"]
    if not isinstance(meta, dict):
        return params if meta is None else {name: value for name, value in params.items() if name != "_meta"}
    if names.isdisjoint(meta):
        return params
    return params | {"_meta": {name: value for name, value in meta.items() if name not in names}}


def _known_meta(params: dict[str, Any]) -> dict[str, Any]:
    meta = params.get("_meta")
    if "_meta" not in params:
        return params
    rest = {name: value for name, value in params.items() if name != "_meta"}
    known = {name: value for name, value in meta.items() if name in _KNOWN_META} if isinstance(meta, dict) else {}
    return rest | {"_meta": known} if known else rest
