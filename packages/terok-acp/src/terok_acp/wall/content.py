"""Content blocks: those that an agent shows (R19, R23), and those that a person sends it (R15, R19)."""

from __future__ import annotations

from typing import Any, Final
from urllib.parse import quote

from terok_util import safe_text

from terok_acp.protocol.shapes import BLOCK, salvage
from terok_acp.wall.paths import Roots, path_of, uri_in, uri_out
from terok_acp.wall.rules import Rules

_MAX_NAME: Final = 200
_MAX_LINE: Final = 2000
_WEB: Final = ("http://", "https://")


def text_block(text: str) -> dict[str, Any]:
    """Return a block of text."""
    return {"type": "text", "text": text}


def block_out(block: object, roots: Roots, rules: Rules) -> dict[str, Any] | None:
    """Return the block that an editor gets for an agent's; None for anything but a block of a known type.

    The same object if nothing has to change. A link that the editor could open outside of the session's directory
    becomes text; so does one with a scheme of its own, which might start a program.
    """
    block = salvage(block, BLOCK)
    if not isinstance(block, dict):
        return None
    kind = block.get("type")
    if kind == "resource_link":
        return _link_out(block, _shown(block.get("uri"), roots, rules))
    if kind == "resource":
        return _resource(block, _shown(block["resource"].get("uri"), roots, rules))
    if kind in {"image", "audio"} and block.get("uri") is not None:
        uri = _shown(block["uri"], roots, rules)  # nothing that an editor might load in place of the data
        return block | {"uri": uri} if uri else _without(block, "uri")
    return block


def block_in(block: object, roots: Roots, rules: Rules, notices: list[str]) -> dict[str, Any] | None:
    """Return the block that an agent gets for an editor's; None for anything but a block of a known type.

    What the agent does not take becomes text, and a line of `notices`.
    """
    block = salvage(block, BLOCK)
    if not isinstance(block, dict):
        return None
    kind = block.get("type")
    block = _without(block, "_meta")
    if kind == "resource_link":
        return _link_in(block, roots)
    if kind == "resource":
        if rules.embedded:
            return _resource(block, uri_in(block["resource"].get("uri"), roots))
        return _spelled_out(block, roots, notices)
    if (kind == "image" and not rules.images) or (kind == "audio" and not rules.audio):
        notices.append(f"this agent takes no {kind}: it was left out of the prompt")
        return text_block(f"[{kind} left out: not supported by this agent]")
    if kind in {"image", "audio"} and block.get("uri") is not None:
        uri = uri_in(block["uri"], roots)
        return block | {"uri": uri} if uri else _without(block, "uri")
    return block


def name_of(value: object, default: str = "unnamed") -> str:
    """Return text from the other side as a name that can be shown on one line."""
    return safe_text(value, limit=_MAX_NAME).strip() or default if isinstance(value, str) else default


def with_safe(values: dict[str, Any], *fields: str, limit: int = _MAX_LINE) -> dict[str, Any]:
    """Return `values` with these fields, where they are text, safe to show on one line; the same object if they are."""
    changed = {}
    for field in fields:
        value = values.get(field)
        if isinstance(value, str) and (safe := safe_text(value, limit=limit)) != value:
            changed[field] = safe
    return values | changed if changed else values


def _shown(uri: object, roots: Roots, rules: Rules) -> str | None:
    inside = uri_out(uri, roots)
    return None if inside is None or rules.leads_out(path_of(inside)) else inside


def _link_out(block: dict[str, Any], inside: str | None) -> dict[str, Any]:
    block = with_safe(block, "name", "title")
    uri = block.get("uri")
    if inside is not None:
        return block if inside == uri else block | {"uri": inside}
    if _web(uri):
        return block
    return text_block(f"{name_of(block.get('name'))} ({name_of(uri, 'no address')})")


def _link_in(block: dict[str, Any], roots: Roots) -> dict[str, Any]:
    uri = block.get("uri")
    if inside := uri_in(uri, roots):
        return block if inside == uri else block | {"uri": inside}
    if _web(uri):
        return block
    return text_block(name_of(block.get("name")))


def _resource(block: dict[str, Any], uri: str | None) -> dict[str, Any]:
    resource = block["resource"]
    if uri == resource.get("uri") or _web(resource.get("uri")):
        return block
    return block | {"resource": resource | {"uri": uri or _neutral(resource.get("uri"))}}


def _spelled_out(block: dict[str, Any], roots: Roots, notices: list[str]) -> dict[str, Any]:
    resource = block["resource"]
    name = uri_in(resource.get("uri"), roots) or _neutral(resource.get("uri"))
    text = resource.get("text")
    if isinstance(text, str):
        return text_block(f"{name}:\n{text}")
    notices.append(f"this agent takes no attached files: {name_of(name)} was left out of the prompt")
    return text_block(f"[{name_of(name)} left out: not supported by this agent]")


def _web(uri: object) -> bool:
    return isinstance(uri, str) and uri.lower().startswith(_WEB)


def _neutral(uri: object) -> str:
    """Return an address that leads nowhere, with the last name of the one it stands for."""
    last = uri.partition("?")[0].partition("#")[0].rpartition("/")[2] if isinstance(uri, str) else ""
    return "attachment:///" + quote(name_of(last), safe="%")


def _without(block: dict[str, Any], key: str) -> dict[str, Any]:
    return {name: value for name, value in block.items() if name != key} if key in block else block
