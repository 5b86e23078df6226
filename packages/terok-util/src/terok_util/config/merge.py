"""Laying one mapping over another.

Maps merge key by key, everything else is replaced. Three spellings change that:

    key: null              deletes what lies below
    key: _inherit          keeps what lies below
    key: [a, _inherit]     the list below is put where `_inherit` stands
    key: {_inherit: false} the map below is dropped instead of merged with (`true` says the usual)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

INHERIT = "_inherit"


def deep_merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Return a new mapping: `override` laid over `base`, neither changed nor shared.

    Keys keep the order in which they first appear. The markers above are resolved: none is in the result unless
    `base` had it.
    """
    merged = {} if override.get(INHERIT) is False else {key: _copy(value) for key, value in base.items()}
    for key, value in override.items():
        if key == INHERIT and isinstance(value, bool):
            continue
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            below = merged.get(key)
            merged[key] = deep_merge(below if isinstance(below, dict) else {}, value)
        elif isinstance(value, list):
            merged[key] = _spliced(merged.get(key), value)
        elif value != INHERIT:
            merged[key] = value
    return merged


def _spliced(below: Any, items: list[Any]) -> list[Any]:
    result: list[Any] = []
    for item in items:
        if item == INHERIT:
            result += _copy(below) if isinstance(below, list) else []
        else:
            result.append(_copy(item))
    return result


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value
