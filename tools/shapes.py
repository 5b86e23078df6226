"""JSON Schemas of what commands print: small words for documents, the schema of a dataclass, and a validator."""

from __future__ import annotations

import enum
import types
import typing
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from importlib import import_module
from pathlib import Path
from typing import Any

Shape = dict[str, Any]
OPEN: Shape = {}
TEXT: Shape = {"type": "string"}
YES_NO: Shape = {"type": "boolean"}
WHOLE: Shape = {"type": "integer"}
NUMBER: Shape = {"type": "number"}
TIME: Shape = {"type": "number", "description": "seconds since the epoch"}
_PLAIN = {str: TEXT, bool: YES_NO, int: WHOLE, float: NUMBER, Path: TEXT, type(None): {"type": "null"}}
_LATE = {"Path": Path, "Mapping": Mapping, "datetime": datetime, "Any": Any}
"""Names that modules import for type checkers only."""


def record(shape: Shape | None = None, /, *, maybe: Mapping[str, Shape] | None = None, **keys: Shape) -> Shape:
    """Return an object with exactly these keys, on top of those of another; `maybe` are keys that can be missing."""
    base = shape or {"properties": {}, "required": []}
    return {
        "type": "object",
        "properties": base["properties"] | keys | dict(maybe or {}),
        "required": [*dict.fromkeys([*base["required"], *keys])],
        "additionalProperties": False,
    }


def rows(item: Shape) -> Shape:
    """Return a list of items."""
    return {"type": "array", "items": item}


def by_name(value: Shape) -> Shape:
    """Return an object whose keys are names."""
    return {"type": "object", "additionalProperties": value}


def words(*choices: str) -> Shape:
    """Return one of these texts."""
    return {"enum": list(choices)}


def either(*shapes: Shape) -> Shape:
    """Return one of these shapes."""
    return {"anyOf": list(shapes)}


def maybe(shape: Shape) -> Shape:
    """Return the shape or null."""
    return {"anyOf": [shape, {"type": "null"}]}


def of(place: str, /, **changes: Shape) -> Shape:
    """Return the shape of a dataclass or named tuple given as `module:Class`, with other shapes for some fields."""
    module, _, name = place.partition(":")
    return _of_class(getattr(import_module(module), name), changes)


def _of_class(kind: Any, changes: Mapping[str, Shape]) -> Shape:
    names = [one.name for one in fields(kind)] if is_dataclass(kind) else list(kind._fields)
    space = vars(import_module(kind.__module__))
    hints: dict[str, Any] = {}
    for base in reversed(kind.__mro__):
        for field, hint in vars(base).get("__annotations__", {}).items():
            if field in names and field not in changes:
                # Not get_type_hints: it fails for the whole class when one name is known to type checkers only.
                text = getattr(hint, "__forward_arg__", hint)  # of a named tuple
                hints[field] = eval(text, _LATE | space) if isinstance(text, str) else text
    return record(**{name: changes.get(name) or _of_hint(hints[name]) for name in names})


def _of_hint(hint: Any) -> Shape:
    if hint in (Any, object):
        return OPEN
    if hint in _PLAIN:
        return _PLAIN[hint]
    if hint is datetime:
        return {"type": "string", "format": "date-time"}
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Literal:
        return words(*args)
    if origin in (typing.Union, types.UnionType):
        return either(*map(_of_hint, args))
    if origin in (tuple, list, set, frozenset) or (origin is not None and origin.__name__ in ("Sequence", "Iterable")):
        return rows(_of_hint(args[0]))
    if origin is dict or origin is Mapping or (origin is not None and origin.__name__ == "Mapping"):
        return by_name(_of_hint(args[1]))
    if isinstance(hint, type) and issubclass(hint, enum.Enum):
        return words(*(one.value for one in hint))
    if isinstance(hint, type) and issubclass(hint, str):
        return TEXT
    return _of_class(hint, {})


# -- holding values to a schema; an unknown keyword is an error -------------------------------------------------------

_KINDS: dict[str, type | tuple[type, ...]] = {
    "string": str,
    "boolean": bool,
    "integer": int,
    "number": (int, float),
    "null": type(None),
    "array": list,
    "object": dict,
}
_NOTES = {"$schema", "$comment", "title", "description", "format"}


def problem(value: Any, schema: dict[str, Any], place: str = "$") -> str | None:
    """Return what is wrong with a value, None if nothing is."""
    if (
        unknown := schema.keys()
        - _NOTES
        - {*("type", "enum", "anyOf", "items", "properties", "required", "additionalProperties")}
    ):
        raise AssertionError(f"{place}: keywords {unknown}")
    if "anyOf" in schema:
        found = [problem(value, one, place) for one in schema["anyOf"]]
        return None if None in found else " or ".join(map(str, found))
    if "enum" in schema and value not in schema["enum"]:
        return f"{place}: {value!r} is none of {schema['enum']}"
    kind = schema.get("type")
    if kind and (not isinstance(value, _KINDS[kind]) or (isinstance(value, bool) and kind != "boolean")):
        return f"{place}: {value!r} is no {kind}"
    if isinstance(value, list) and "items" in schema:
        return next(
            (said for n, item in enumerate(value) if (said := problem(item, schema["items"], f"{place}[{n}]"))), None
        )
    return _object_problem(value, schema, place) if isinstance(value, dict) and kind == "object" else None


def _object_problem(value: dict[str, Any], schema: dict[str, Any], place: str) -> str | None:
    if missing := set(schema.get("required", ())) - value.keys():
        return f"{place}: without {sorted(missing)}"
    rest = schema.get("additionalProperties", {})
    for key, item in value.items():
        shape = schema.get("properties", {}).get(key, rest)
        if shape is False:
            return f"{place}: unknown key {key}"
        if said := problem(item, shape, f"{place}.{key}"):
            return said
    return None
