"""Updates of a session on their way to the editor (R19, R21, R23, R24)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Final

from terok_acp.protocol.shapes import REFUSED, UPDATES, salvage
from terok_acp.wall.content import block_out, name_of, text_block, with_safe
from terok_acp.wall.markdown import ImageGuard, without_images
from terok_acp.wall.paths import Roots, map_out
from terok_acp.wall.reserved import without_prefix
from terok_acp.wall.rules import Rules

_MAX_DIFF: Final = 20_000
_MAX_TITLE: Final = 2000
_TERMINAL_KEYS: Final = ("terminal_info", "terminal_output", "terminal_exit")


def update_out(update: dict[str, Any], roots: Roots, rules: Rules, guard: ImageGuard | None) -> dict[str, Any] | None:
    """Return the update that an editor gets for an agent's, the same object if nothing has to change.

    None for one that is not whole, which is dropped. Kinds that are not known here pass: which of them an editor takes
    is said by its capabilities.
    """
    kind = update.get("sessionUpdate")
    if not isinstance(kind, str):
        return None
    shape = UPDATES.get(kind)
    if shape is not None and (update := salvage(update, shape)) is REFUSED:
        return None
    if kind in _CHUNKS:
        return _chunk(update, kind, roots, rules, guard)
    if kind in {"tool_call", "tool_call_update"}:
        return tool_call_out(update, roots, rules)
    rule = _TEXTS.get(kind)
    return rule(update) if rule else update


_CHUNKS: Final = frozenset(
    ["agent_message_chunk", "agent_thought_chunk", "user_message_chunk", "compaction_summary_chunk"]
)


def tool_call_out(call: dict[str, Any], roots: Roots, rules: Rules) -> dict[str, Any]:
    """Return a tool call, whole or changed, as the editor gets it."""
    changed: dict[str, Any] = {}
    for field, rule in (("toolCallId", without_prefix), ("title", _title)):
        if field in call and (value := rule(call[field])) is not call[field]:
            changed[field] = value
    if isinstance(call.get("locations"), list):
        _replace(changed, call, "locations", lambda location: _location(location, roots, rules))
    if isinstance(call.get("content"), list):
        meta = call.get("_meta")
        shown = rules.terminal_output and isinstance(meta, dict) and not meta.keys().isdisjoint(_TERMINAL_KEYS)
        _replace(changed, call, "content", lambda part: _part(part, roots, rules, terminals=shown))
    return call | changed if changed else call


def _chunk(
    update: dict[str, Any], kind: str, roots: Roots, rules: Rules, guard: ImageGuard | None
) -> dict[str, Any] | None:
    content = update["content"]
    if content["type"] == "text":
        text = content["text"]
        if kind == "user_message_chunk":
            return update
        safe = guard.pass_text(text, kind, update.get("messageId")) if guard else without_images(text)
        return update if safe is text or safe == text else update | {"content": content | {"text": safe}}
    block = block_out(content, roots, rules)
    return update if block is content else update | {"content": block}


def _replace(
    changed: dict[str, Any], call: dict[str, Any], field: str, rule: Callable[[Any], dict[str, Any] | None]
) -> None:
    """Put the list `field` of a call, item by item through `rule`, into `changed` if that changes it."""
    old = call[field]
    new = [item for item in map(rule, old) if item is not None]
    if not _same(new, old):
        changed[field] = new


def _path(path: object, roots: Roots, rules: Rules) -> str | None:
    shown = map_out(path, roots)
    return None if shown is None or rules.leads_out(shown) else shown


def _location(location: object, roots: Roots, rules: Rules) -> dict[str, Any] | None:
    if not isinstance(location, dict):
        return None
    path = _path(location.get("path"), roots, rules)
    if path is None:
        return None
    return location if path == location["path"] else location | {"path": path}


def _part(part: object, roots: Roots, rules: Rules, *, terminals: bool) -> dict[str, Any] | None:
    if not isinstance(part, dict):
        return None
    kind = part.get("type")
    if kind == "diff":
        path = _path(part.get("path"), roots, rules) if isinstance(part.get("newText"), str) else None
        if path is None:  # an editor offers to write what is a diff for it
            return _text_part(_diff_text(part))
        return part if path == part["path"] else part | {"path": path}
    if kind == "terminal":
        return part if terminals else _text_part("[output in a terminal of the agent]")
    return _content(part, roots, rules) if kind == "content" else None


def _content(part: dict[str, Any], roots: Roots, rules: Rules) -> dict[str, Any] | None:
    content = part.get("content")
    block = block_out(content, roots, rules)
    if block is None:
        return None
    if block.get("type") == "text" and isinstance(text := block.get("text"), str):
        safe = without_images(text)
        block = block if safe == text else block | {"text": safe}
    return part if block is content else part | {"content": block}


def _same(new: list[Any], old: list[Any]) -> bool:
    return len(new) == len(old) and all(one is other for one, other in zip(new, old, strict=True))


def _text_part(text: str) -> dict[str, Any]:
    return {"type": "content", "content": text_block(text)}


def _diff_text(part: dict[str, Any]) -> str:
    new = part.get("newText")
    text = new if isinstance(new, str) else ""
    cut = "\n[…]" if len(text) > _MAX_DIFF else ""
    return f"{name_of(part.get('path'))} (outside of the workspace):\n{text[:_MAX_DIFF]}{cut}"


def _title(title: Any) -> Any:
    if not isinstance(title, str):
        return title
    safe = without_images(with_safe({"": title}, "", limit=_MAX_TITLE)[""])
    return title if safe == title else safe


def _session_info(update: dict[str, Any]) -> dict[str, Any]:
    return with_safe(update, "title")


def _plan(update: dict[str, Any]) -> dict[str, Any]:
    entries = update["entries"]
    new = [_without_images_in(entry, "content") for entry in entries]
    return update if _same(new, entries) else update | {"entries": new}


def _commands(update: dict[str, Any]) -> dict[str, Any]:
    commands = update["availableCommands"]
    new = [with_safe(one, "name", "description") for one in commands]
    return update if _same(new, commands) else update | {"availableCommands": new}


def _notice(update: dict[str, Any]) -> dict[str, Any]:
    safe: dict[str, Any] = _without_images_in(with_safe(update, "title"), "description")
    return safe


def _without_images_in(values: Any, field: str) -> Any:
    text = values.get(field) if isinstance(values, dict) else None
    if not isinstance(text, str) or (safe := without_images(text)) == text:
        return values
    return values | {field: safe}


_TEXTS: Final[dict[str, Callable[[dict[str, Any]], dict[str, Any]]]] = {
    "session_info_update": _session_info,
    "plan": _plan,
    "available_commands_update": _commands,
    "notice": _notice,
}
