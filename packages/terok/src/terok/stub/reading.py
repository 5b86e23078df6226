"""Picking values out of request bodies that a client, possibly inside a container, has written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from terok.errors import BadRequestError
from terok.stub.script import Prefix, ToolResult
from terok.stub.tools import mapping as mapping

MAX_RESULT_CHARS = 65_536


def as_object(body: object) -> Mapping[str, Any]:
    """Return the body itself when it is a JSON object, else BadRequestError."""
    if not isinstance(body, Mapping):
        raise BadRequestError("the body is not a JSON object")
    return body


def objects(value: object) -> Iterator[Mapping[str, Any]]:
    """Yield the members of a list that are objects; anything else counts as an empty list."""
    if isinstance(value, list):
        yield from (item for item in value if isinstance(item, Mapping))


def required_list(body: Mapping[str, Any], key: str) -> list[Any]:
    """Return a list the protocol demands, else BadRequestError."""
    value = body.get(key)
    if not isinstance(value, list) or not value:
        raise BadRequestError(f"{key}: a non-empty list is required")
    return value


def string(value: object, default: str = "") -> str:
    """Return the value when it is a string."""
    return value if isinstance(value, str) else default


def whole(value: object) -> int:
    """Return the value when it is a number of things."""
    return value if type(value) is int and 0 < value < MAX_RESULT_CHARS else 0


def named_prefix(key: object, text: object) -> Prefix | None:
    """Return the beginning of a prompt that its client repeats under a name; writing it costs nothing."""
    name = string(key)
    return Prefix(name, len(flat_text(text)), written=False) if name else None


def flat_text(value: object) -> str:
    """Return the text of a content field: a string, or a list of parts of which some have text."""
    if isinstance(value, str):
        return value[:MAX_RESULT_CHARS]
    if isinstance(value, Mapping):
        return flat_text(value.get("text", value.get("content", value.get("output", ""))))
    return "".join(string(part.get("text")) for part in objects(value))[:MAX_RESULT_CHARS]


def result(call_id: object, content: object) -> ToolResult:
    """Return a tool result with its text, cut at MAX_RESULT_CHARS."""
    return ToolResult(string(call_id), flat_text(content))
