"""JSON Schema of `config.yml` and `project.yml`, with which editors complete and check. Imports pydantic."""

from __future__ import annotations

from typing import Any

from terok.config.owners import Owners
from terok.config.sections import PRESET_SECTIONS

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema(owners: Owners) -> dict[str, Any]:
    """Return the schema of a file, in which sections that several wheels own are one."""
    properties: dict[str, Any] = {}
    for wheel in (owners.schema(), {"properties": {"image": owners.image.json_schema()}}, owners.sandbox.json_schema()):
        defs = {**wheel.get("$defs", {}), **wheel["properties"].get("image", {}).pop("$defs", {})}
        for section, node in wheel["properties"].items():
            content = _inlined(node, defs)
            keys = {
                key: value for key, value in content.get("properties", {}).items() if _is_known(owners, section, key)
            }
            if keys:
                known = properties.setdefault(
                    section, {"type": "object", "additionalProperties": False, "properties": {}}
                )
                known["properties"] |= keys
                known.setdefault("description", content.get("description", ""))
            elif content.get("additionalProperties"):
                properties[section] = content
    presets = {section: {"$ref": f"#/properties/{section}"} for section in sorted(PRESET_SECTIONS & properties.keys())}
    properties["presets"]["additionalProperties"] = {
        "type": "object",
        "additionalProperties": False,
        "properties": presets,
    }
    return {
        "$schema": _DIALECT,
        "title": owners.file,
        "type": "object",
        "additionalProperties": False,
        "properties": dict(sorted(properties.items())),
    }


def _is_known(owners: Owners, section: str, key: str) -> bool:
    return any(path == f"{section}.{key}" or path.startswith(f"{section}.{key}.") for path in owners.keys)


def _inlined(node: Any, defs: dict[str, Any]) -> Any:
    """Return a schema without references and titles, which say nothing that the key does not."""
    if isinstance(node, list):
        return [_inlined(item, defs) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        target = _inlined(defs[node["$ref"].rpartition("/")[2]], defs)
        return target | {key: _inlined(value, defs) for key, value in node.items() if key == "description"}
    return {
        key: {name: _inlined(value, defs) for name, value in child.items()}
        if key == "properties"
        else _inlined(child, defs)
        for key, child in node.items()
        if key not in ("title", "$defs")
    }
