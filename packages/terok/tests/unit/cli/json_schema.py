"""A validator for the JSON Schemas that `tools/shapes.py` makes; an unknown keyword is an error."""

from __future__ import annotations

from typing import Any

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
