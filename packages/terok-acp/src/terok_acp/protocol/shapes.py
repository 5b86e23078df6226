"""Shapes of the known parts of frames, and what is left of a part that does not quite fit.

An editor may refuse a whole frame, or its connection, for one value of the wrong type. So a value that may be absent is
removed, an item of a list too, and only a part without what it needs is refused. Fields that are unknown here stay.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple, TypeAlias


class Null(NamedTuple):
    """A value that may be null."""

    shape: Shape


class Many(NamedTuple):
    """A list; what does not fit in it is left out, or refuses all of it if it has to be `whole`."""

    shape: Shape
    whole: bool = False


class Either(NamedTuple):
    """The first of several shapes that fits."""

    shapes: tuple[Shape, ...]


class Record(NamedTuple):
    """An object with fields that have to be there, and others that may; `_meta` may always."""

    required: Mapping[str, Shape]
    optional: Mapping[str, Shape] = {}


class Tagged(NamedTuple):
    """An object whose field `tag` says which record it is."""

    tag: str
    records: Mapping[str, Record]


class Whole(NamedTuple):
    """A whole number, not negative."""


class Refused(NamedTuple):
    """Nothing is left of the value."""


Shape: TypeAlias = type | frozenset[str] | Null | Many | Either | Record | Tagged | Whole
REFUSED: Final = Refused()
_WHOLE: Final = Whole()
_NO_META: Final = Null(dict)


def salvage(value: Any, shape: Shape) -> Any:
    """Return what of a value fits a shape: the same object if all of it does, `REFUSED` if too little."""
    if isinstance(shape, type):
        return value if _is(value, shape) else REFUSED
    if isinstance(shape, frozenset):
        return value if isinstance(value, str) and value in shape else REFUSED
    if isinstance(shape, Record):
        return _record(value, shape) if isinstance(value, dict) else REFUSED
    if isinstance(shape, Null):
        return None if value is None else salvage(value, shape.shape)
    if isinstance(shape, Many):
        return _many(value, shape) if isinstance(value, list) else REFUSED
    if isinstance(shape, Tagged):
        tag = value.get(shape.tag) if isinstance(value, dict) else None
        record = shape.records.get(tag) if isinstance(tag, str) else None
        return REFUSED if record is None else _record(value, record)
    if isinstance(shape, Either):
        return next((left for one in shape.shapes if (left := salvage(value, one)) is not REFUSED), REFUSED)
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else REFUSED


def _is(value: Any, kind: type) -> bool:
    if kind is float:
        return isinstance(value, int | float) and not isinstance(value, bool)
    return isinstance(value, kind)


def _record(value: dict[str, Any], shape: Record) -> Any:
    changed: dict[str, Any] = {}
    for name, field in shape.required.items():
        left = salvage(value.get(name), field) if name in value else REFUSED
        if left is REFUSED:
            return REFUSED
        if left is not value[name]:
            changed[name] = left
    for name, field in (*shape.optional.items(), ("_meta", _NO_META)):
        if name in value and (left := salvage(value[name], field)) is not value[name]:
            changed[name] = left
    if not changed:
        return value
    return {name: item for name, item in (value | changed).items() if item is not REFUSED}


def _many(value: list[Any], shape: Many) -> Any:
    left = [salvage(item, shape.shape) for item in value]
    if all(new is old for new, old in zip(left, value, strict=True)):
        return value
    rest = [item for item in left if item is not REFUSED]
    return REFUSED if shape.whole and len(rest) < len(value) else rest


_TEXT: Final = Null(str)
_NOTES: Final = Null(
    Record(
        {},
        {"audience": Null(Many(frozenset(["assistant", "user"]))), "lastModified": _TEXT, "priority": Null(float)},
    )
)
# Addresses and the paths of diffs may be anything here: the wall looks at them.
BLOCK: Final = Tagged(
    "type",
    {
        "text": Record({"text": str}, {"annotations": _NOTES}),
        "image": Record({"data": str, "mimeType": str}, {"annotations": _NOTES}),
        "audio": Record({"data": str, "mimeType": str}, {"annotations": _NOTES}),
        "resource_link": Record(
            {"name": str},
            {"annotations": _NOTES, "description": _TEXT, "mimeType": _TEXT, "size": Null(int), "title": _TEXT},
        ),
        "resource": Record(
            {
                "resource": Either(
                    (Record({"text": str}, {"mimeType": _TEXT}), Record({"blob": str}, {"mimeType": _TEXT}))
                )
            },
            {"annotations": _NOTES},
        ),
    },
)
_PART: Final = Tagged(
    "type",
    {
        "content": Record({"content": BLOCK}),
        "diff": Record({}, {"oldText": _TEXT}),
        "terminal": Record({"terminalId": str}),
    },
)
_LOCATION: Final = Record({"path": str}, {"line": Null(_WHOLE)})
_TOOL_KIND: Final = frozenset(
    ["read", "edit", "delete", "move", "search", "execute", "think", "fetch", "switch_mode", "other"]
)
_TOOL_STATUS: Final = frozenset(["pending", "in_progress", "completed", "failed"])
TOOL_CALL_UPDATE: Final = Record(
    {"toolCallId": str},
    {
        "title": _TEXT,
        "name": _TEXT,
        "kind": Null(_TOOL_KIND),
        "status": Null(_TOOL_STATUS),
        "content": Null(Many(_PART)),
        "locations": Null(Many(_LOCATION)),
    },
)
_CHOICE: Final = Record({"value": str, "name": str}, {"description": _TEXT})
_GROUP: Final = Record({"group": str, "name": str, "options": Many(_CHOICE)})
_ABOUT: Final[dict[str, Shape]] = {"description": _TEXT, "category": _TEXT}
OPTION: Final = Tagged(
    "type",
    {
        "select": Record(
            {
                "id": str,
                "name": str,
                "currentValue": str,
                "options": Either((Many(_GROUP, whole=True), Many(_CHOICE))),
            },
            _ABOUT,
        ),
        "boolean": Record({"id": str, "name": str, "currentValue": bool}, _ABOUT),
    },
)
MODES: Final = Record(
    {"currentModeId": str, "availableModes": Many(Record({"id": str, "name": str}, {"description": _TEXT}))}
)
PERMISSION_OPTION: Final = Record(
    {
        "optionId": str,
        "name": str,
        "kind": frozenset(["allow_once", "allow_always", "reject_once", "reject_always"]),
    }
)
_ENTRY: Final = Record(
    {
        "content": str,
        "priority": frozenset(["high", "medium", "low"]),
        "status": frozenset(["pending", "in_progress", "completed"]),
    }
)
_COMMAND: Final = Record({"name": str, "description": str}, {"input": Null(Record({"hint": str}))})
_CHUNK: Final = Record({"content": BLOCK}, {"messageId": _TEXT})
UPDATES: Final[Mapping[str, Record]] = {
    "user_message_chunk": _CHUNK,
    "agent_message_chunk": _CHUNK,
    "agent_thought_chunk": _CHUNK,
    "compaction_summary_chunk": Record({"content": BLOCK, "compactionId": str}, {"messageId": _TEXT}),
    "compaction_update": Record({"compactionId": str, "status": str}, {"summary": Null(Many(BLOCK)), "error": _TEXT}),
    "tool_call": Record(
        {"toolCallId": str, "title": str},
        {
            "name": _TEXT,
            "kind": _TOOL_KIND,
            "status": _TOOL_STATUS,
            "content": Many(_PART),
            "locations": Many(_LOCATION),
        },
    ),
    "tool_call_update": TOOL_CALL_UPDATE,
    "plan": Record({"entries": Many(_ENTRY)}),
    "available_commands_update": Record({"availableCommands": Many(_COMMAND)}),
    "current_mode_update": Record({"currentModeId": str}),
    "config_option_update": Record({"configOptions": Many(OPTION)}),
    "session_info_update": Record({}, {"title": _TEXT, "updatedAt": _TEXT}),
    "usage_update": Record(
        {"used": _WHOLE, "size": _WHOLE}, {"cost": Null(Record({"amount": float, "currency": str}))}
    ),
    "notice": Record({"severity": str, "title": str}, {"description": _TEXT}),
}
"""The kinds of `session/update` that are known."""
