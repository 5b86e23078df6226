"""Configuration scopes laid over each other, and which of them a value comes from.

Maps merge key by key, everything else is replaced. Three spellings change that:

    key: null              deletes the value below
    key: _inherit          keeps the value below
    key: [a, _inherit]     inserts the list below where `_inherit` stands
    key: {_inherit: false} drops the map below instead of merging with it (`true` is the default)
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from terok_util.config.scopes import ConfigScope

INHERIT = "_inherit"


def deep_merge(base: Mapping[str, Any], override: Mapping[str, Any]) -> dict[str, Any]:
    """Return a new mapping of `override` laid over `base`; both stay as they are and share nothing with it.

    Keys keep the order in which they first appear. The result has none of the markers above unless `base` had it.
    """
    merged = {} if override.get(INHERIT) is False else {key: _copy(value) for key, value in base.items()}
    for key, value in override.items():
        if key == INHERIT and isinstance(value, bool):  # the marker itself does not belong to the map
            continue
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, dict):
            below = merged.get(key)
            merged[key] = deep_merge(below if isinstance(below, dict) else {}, value)
        elif isinstance(value, list):
            merged[key] = _inherited(merged.get(key), value)
        elif value != INHERIT:
            merged[key] = value
    return merged


def _inherited(below: Any, items: list[Any]) -> list[Any]:
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


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value was set: level, file (if it was one) and line (if known)."""

    level: str
    source: Path | None
    line: int | None = None

    def __str__(self) -> str:
        if self.source is None:
            return self.level
        return f"{self.source}:{self.line}" if self.line else str(self.source)


class ConfigStack:
    """Configuration scopes, the lowest first."""

    def __init__(self, scopes: Iterable[ConfigScope] = ()) -> None:
        self._scopes = list(scopes)

    @property
    def scopes(self) -> tuple[ConfigScope, ...]:
        """The scopes, lowest first."""
        return tuple(self._scopes)

    def push(self, scope: ConfigScope) -> None:
        """Put `scope` on top."""
        self._scopes.append(scope)

    def resolve(self) -> dict[str, Any]:
        """Return all values, merged by the rules of `deep_merge`; the caller may change the result."""
        merged: dict[str, Any] = {}
        for scope in self._scopes:
            merged = deep_merge(merged, scope.data)
        return merged

    def resolve_section(self, key: str) -> dict[str, Any]:
        """Return the section `key`; empty if no scope has it or it is not a mapping."""
        merged: dict[str, Any] = {}
        for scope in self._scopes:
            if key in scope.data:
                merged = deep_merge(merged, {key: scope.data[key]})
        section = merged.get(key)
        return section if isinstance(section, dict) else {}

    def origin(self, path: str | Sequence[str]) -> Origin | None:
        """Return where the value at `path` (`"shield.allow"` or its parts) was set last; None if it is not set.

        The origin of a section is the highest scope that adds to it; that of a list is the highest that names it.
        """
        parts = tuple(path.split(".") if isinstance(path, str) else path)
        for scope in reversed(self._scopes):
            is_set = _is_set(scope.data, parts)
            if is_set is not None:
                return Origin(scope.level, scope.source, scope.lines.get(parts)) if is_set else None
        return None


def _is_set(data: Any, parts: tuple[str, ...]) -> bool | None:
    """Return True if one scope sets the value, False if it hides it, None if it does not mention it."""
    for part in parts:
        if not isinstance(data, dict):
            return False
        if part not in data:
            return False if data.get(INHERIT) is False else None
        data = data[part]
        if data is None:
            return False
        if isinstance(data, str) and data == INHERIT:
            return None
    return True
