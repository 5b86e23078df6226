"""Fewer updates with the same meaning, for an editor that is behind or loads a session."""

from __future__ import annotations

from collections.abc import Iterable

from terok_acp.protocol.frames import Frame

_CHUNKS = frozenset({"user_message_chunk", "agent_message_chunk", "agent_thought_chunk"})
_NEWEST = frozenset(
    {
        "usage_update",
        "current_mode_update",
        "session_info_update",
        "available_commands_update",
        "config_option_update",
        "plan",
    }
)
"""Updates that say the whole state each time."""
_LONGEST = 64 << 10
"""Characters that are put together into one chunk."""


def coalesce(items: Iterable[Frame]) -> list[Frame]:
    """Return parameters of updates with neighboring pieces of text put together and outdated states left out.

    Tool calls and everything unknown stay as they are, where they are.
    """
    kept: list[Frame | None] = []
    newest: dict[str, int] = {}
    for item in items:
        update = item.get("update")
        kind = update.get("sessionUpdate") if type(update) is dict else None
        if kind in _CHUNKS and kept and (last := kept[-1]) is not None and (both := _together(last, item)):
            kept[-1] = both
            continue
        if kind in _NEWEST:
            if kind in newest:
                kept[newest[kind]] = None
            newest[kind] = len(kept)
        kept.append(item)
    return [item for item in kept if item is not None]


def _together(first: Frame, second: Frame) -> Frame | None:
    a, b = _plain_text(first), _plain_text(second)
    if a is None or b is None or a[:2] != b[:2] or len(a[2]) > _LONGEST:
        return None
    update = {**first["update"], "content": {"type": "text", "text": a[2] + b[2]}}
    return {**first, "update": update}


def _plain_text(item: Frame) -> tuple[str, object, str] | None:
    """Return kind, message and text of a chunk that holds nothing else."""
    update = item["update"]
    if (
        type(update) is not dict
        or item.keys() - {"update"}
        or update.keys() - {"sessionUpdate", "content", "messageId"}
    ):
        return None
    content = update.get("content")
    if type(content) is not dict or content.keys() != {"type", "text"} or content["type"] != "text":
        return None
    text = content["text"]
    kind = update.get("sessionUpdate")
    return (kind, update.get("messageId"), text) if type(text) is str and kind in _CHUNKS else None
