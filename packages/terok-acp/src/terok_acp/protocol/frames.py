"""Frames as plain dictionaries: what kind one is, and those that are made here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, TypeAlias

from terok_util import safe_text

Frame: TypeAlias = dict[str, Any]
"""One JSON-RPC object, as read; fields that nobody here knows stay in it."""

PARSE_ERROR: Final = -32700
INVALID_REQUEST: Final = -32600
METHOD_NOT_FOUND: Final = -32601
INVALID_PARAMS: Final = -32602
INTERNAL_ERROR: Final = -32603
CANCELLED: Final = -32800
AUTH_REQUIRED: Final = -32000
NOT_FOUND: Final = -32002

_LONGEST_TEXT: Final = 2000
"""Characters of an error's text; what is longer is cut."""


def is_request(frame: Frame) -> bool:
    """Tell whether a frame wants an answer."""
    return "method" in frame and "id" in frame


def is_reply(frame: Frame) -> bool:
    """Tell whether a frame answers a request."""
    return "method" not in frame and "id" in frame


def params_of(frame: Frame) -> Frame:
    """Return the parameters of a request or notification; anything but an object counts as none."""
    params = frame.get("params")
    return params if type(params) is dict else {}


def session_of(frame: Frame) -> str | None:
    """Return the session id that the parameters name; what stands in `_meta` never counts."""
    key = params_of(frame).get("sessionId")
    return key if type(key) is str else None


def request(number: Any, method: str, params: Mapping[str, Any]) -> Frame:
    """Make a request."""
    return {"jsonrpc": "2.0", "id": number, "method": method, "params": dict(params)}


def notification(method: str, params: Mapping[str, Any]) -> Frame:
    """Make a notification."""
    return {"jsonrpc": "2.0", "method": method, "params": dict(params)}


def result(number: Any, value: Mapping[str, Any]) -> Frame:
    """Make the answer to a request."""
    return {"jsonrpc": "2.0", "id": number, "result": dict(value)}


def error(number: Any, code: int, message: str, details: str = "") -> Frame:
    """Make an error answer; `details` is what editors show, and goes alone into `data`, or they show nothing."""
    body: Frame = {"code": code, "message": safe_text(message)[:_LONGEST_TEXT]}
    if details:
        body["data"] = {"details": safe_text(details)[:_LONGEST_TEXT]}
    return {"jsonrpc": "2.0", "id": number, "error": body}


def update(key: str, content: Mapping[str, Any]) -> Frame:
    """Make a `session/update` notification."""
    return notification("session/update", {"sessionId": key, "update": dict(content)})


def message_chunk(text: str, kind: str = "agent_message_chunk") -> Frame:
    """Make the content of an update that shows a line of text."""
    return {"sessionUpdate": kind, "content": {"type": "text", "text": text}}
