"""The protocol's own schema as a judge of frames: it finds violations, and knows nothing of what is under test.

It is stricter than a receiver has to be: values that a reader may replace by a default are violations, too.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

_DEFS = json.loads((Path(__file__).parents[1] / "schema" / "v1.json").read_text())["$defs"]
_TYPES = {"object": dict, "array": list, "string": str, "boolean": bool, "null": type(None)}
_IGNORED = frozenset("format $comment x-method x-side".split()) | {  # noqa: SIM905
    "x-deserialize-default-on-error",
    "x-deserialize-default-on-null",
    "x-deserialize-skip-invalid-items",
}
_METHODS = {
    (shape["x-method"], name.endswith("Response")): shape for name, shape in _DEFS.items() if "x-method" in shape
}


def violations(frame: Any, asked: dict[Any, str]) -> list[str]:
    """Return what is wrong with a frame; `asked` are the methods of open requests by id, for answers."""
    if not isinstance(frame, dict) or frame.get("jsonrpc") != "2.0":
        return ["it is not a JSON-RPC object"]
    if "method" in frame:
        shape = _METHODS.get((frame["method"], False))
        return [] if shape is None else _wrong(frame.get("params"), shape, "params")
    if "error" in frame:
        return _wrong(frame["error"], _DEFS["Error"], "error")
    shape = _METHODS.get((asked.get(frame.get("id"), ""), True))
    return [] if shape is None else _wrong(frame.get("result"), shape, "result")


def _wrong(value: Any, shape: Any, place: str) -> list[str]:
    found: list[str] = []
    for word, rule in shape.items() if isinstance(shape, dict) else ():
        if word not in _IGNORED:
            found += _RULES[word](value, rule, shape, place)
    return found


def _type(value: Any, rule: Any, _: Any, place: str) -> list[str]:
    names = rule if isinstance(rule, list) else [rule]
    number = isinstance(value, int | float) and not isinstance(value, bool)
    fits = any(
        (name == "number" and number)
        or (name == "integer" and number and float(value).is_integer())
        or (name in _TYPES and isinstance(value, _TYPES[name]))
        for name in names
    )
    return [] if fits else [f"{place}: {value!r:.60} is no {rule}"]


def _ref(value: Any, rule: str, _: Any, place: str) -> list[str]:
    return _wrong(value, _DEFS[rule.rpartition("/")[2]], place)


def _all_of(value: Any, rule: list[Any], _: Any, place: str) -> list[str]:
    return [problem for shape in rule for problem in _wrong(value, shape, place)]


def _any_of(value: Any, rule: list[Any], _: Any, place: str) -> list[str]:
    tried = [_wrong(value, shape, place) for shape in rule]
    return [] if [] in tried else min(tried, key=len)


def _one_of(value: Any, rule: list[Any], _: Any, place: str) -> list[str]:
    tried = [_wrong(value, shape, place) for shape in rule]
    fitting = tried.count([])
    if not fitting:
        return min(tried, key=len)
    return [] if fitting == 1 else [f"{place}: {fitting} alternatives fit {value!r:.60}"]


def _not(value: Any, rule: Any, _: Any, place: str) -> list[str]:
    return [] if _wrong(value, rule, place) else [f"{place}: {value!r:.60} is excluded"]


def _required(value: Any, rule: list[str], _: Any, place: str) -> list[str]:
    missing = [name for name in rule if isinstance(value, dict) and name not in value]
    return [f"{place}: {name} is missing" for name in missing]


def _properties(value: Any, rule: dict[str, Any], _: Any, place: str) -> list[str]:
    shapes = rule.items() if isinstance(value, dict) else ()
    return [
        problem for name, shape in shapes if name in value for problem in _wrong(value[name], shape, f"{place}.{name}")
    ]


def _additional(value: Any, rule: Any, shape: Any, place: str) -> list[str]:
    if rule is True or not isinstance(value, dict):
        return []
    more = {name: item for name, item in value.items() if name not in shape.get("properties", {})}
    if rule is False:
        return [f"{place}: {name} is unknown" for name in more]
    return [problem for name, item in more.items() for problem in _wrong(item, rule, f"{place}.{name}")]


def _items(value: Any, rule: Any, _: Any, place: str) -> list[str]:
    items = enumerate(value) if isinstance(value, list) else ()
    return [problem for number, item in items for problem in _wrong(item, rule, f"{place}[{number}]")]


def _const(value: Any, rule: Any, _: Any, place: str) -> list[str]:
    return [] if value == rule else [f"{place}: {value!r:.60} is not {rule!r}"]


def _enum(value: Any, rule: list[Any], _: Any, place: str) -> list[str]:
    return [] if value in rule else [f"{place}: {value!r:.60} is none of {rule!r}"]


def _bounds(value: Any, rule: Any, shape: Any, place: str) -> list[str]:
    low, high = shape.get("minimum"), shape.get("maximum")
    bad = isinstance(value, int | float) and ((low is not None and value < low) or (high is not None and value > high))
    return [f"{place}: {value} is out of bounds"] if bad else []


def _min_length(value: Any, rule: int, _: Any, place: str) -> list[str]:
    return [f"{place}: too short"] if isinstance(value, str) and len(value) < rule else []


_RULES = {
    "type": _type,
    "$ref": _ref,
    "allOf": _all_of,
    "anyOf": _any_of,
    "oneOf": _one_of,
    "not": _not,
    "required": _required,
    "properties": _properties,
    "additionalProperties": _additional,
    "unevaluatedProperties": _additional,
    "items": _items,
    "const": _const,
    "enum": _enum,
    "minimum": _bounds,
    "maximum": _bounds,
    "minLength": _min_length,
}
