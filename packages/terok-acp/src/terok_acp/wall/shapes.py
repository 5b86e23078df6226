"""The fields without which a known kind of update, block or tool content means nothing (R30).

An editor may refuse a whole frame, or its connection, for one of them; unknown kinds of update are not looked at. What
may be absent is removed if it has a value that the protocol does not know.
"""

from __future__ import annotations

from typing import Any, Final

_REQUIRED: Final[dict[str, dict[str, type]]] = {
    "agent_message_chunk": {"content": dict},
    "agent_thought_chunk": {"content": dict},
    "user_message_chunk": {"content": dict},
    "compaction_summary_chunk": {"content": dict, "compactionId": str},
    "compaction_update": {"compactionId": str},
    "tool_call": {"toolCallId": str, "title": str},
    "tool_call_update": {"toolCallId": str},
    "plan": {"entries": list},
    "available_commands_update": {"availableCommands": list},
    "current_mode_update": {"currentModeId": str},
    "config_option_update": {"configOptions": list},
    "usage_update": {"used": int, "size": int},
    "notice": {"severity": str, "title": str},
}
_BLOCKS: Final[dict[str, tuple[str, ...]]] = {
    "text": ("text",),
    "image": ("data", "mimeType"),
    "audio": ("data", "mimeType"),
    "resource_link": ("name",),  # without a plain address it becomes text
    "resource": (),
}
_CHOICES: Final[dict[str, frozenset[str]]] = {
    "kind": frozenset(
        ["read", "edit", "delete", "move", "search", "execute", "think", "fetch", "switch_mode", "other"]
    ),
    "status": frozenset(["pending", "in_progress", "completed", "failed"]),
}
_LISTS: Final = ("content", "locations")


def update_is_whole(update: dict[str, Any], kind: str) -> bool:
    """Say whether an update has what its kind needs; True for a kind that is not known here."""
    required = _REQUIRED.get(kind)
    return required is None or all(_is(update.get(name), wanted) for name, wanted in required.items())


def block_is_whole(block: dict[str, Any]) -> bool:
    """Say whether a content block is of a known type and has what that needs."""
    kind = block.get("type")
    required = _BLOCKS.get(kind) if isinstance(kind, str) else None
    if required is None or not all(isinstance(block.get(name), str) for name in required):
        return False
    if kind != "resource":
        return True
    resource = block.get("resource")
    return isinstance(resource, dict) and (
        isinstance(resource.get("text"), str) or isinstance(resource.get("blob"), str)
    )


def entry_is_whole(entry: object) -> bool:
    """Say whether an entry of a plan has all that it needs."""
    return (
        isinstance(entry, dict)
        and isinstance(entry.get("content"), str)
        and entry.get("priority") in ("high", "medium", "low")
        and entry.get("status") in ("pending", "in_progress", "completed")
    )


def command_is_whole(command: object) -> bool:
    """Say whether a command that an agent offers has all that it needs."""
    return isinstance(command, dict) and all(isinstance(command.get(name), str) for name in ("name", "description"))


def without_unknown(call: dict[str, Any]) -> dict[str, Any]:
    """Return a tool call without values that the protocol has no place for; the same object if there are none."""
    bad = [name for name, known in _CHOICES.items() if name in call and not _known(call[name], known)]
    bad += [name for name in _LISTS if name in call and not isinstance(call[name], list | None)]
    if "title" in call and not isinstance(call["title"], str | None):
        bad.append("title")
    return {name: value for name, value in call.items() if name not in bad} if bad else call


def _known(value: object, known: frozenset[str]) -> bool:
    return value is None or (isinstance(value, str) and value in known)


def _is(value: object, wanted: type) -> bool:
    if wanted is int:
        return isinstance(value, int) and not isinstance(value, bool) and value >= 0
    return isinstance(value, wanted)
