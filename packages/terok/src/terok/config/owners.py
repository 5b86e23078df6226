"""Which wheel owns which key of a file, and what is known about every key. Imports pydantic."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

from pydantic import TypeAdapter

from terok.config.sections import HostFile, ProjectFile
from terok.integrations.executor import ImageSettings
from terok.integrations.sandbox import SandboxConfigView

_ONLY_HOST = frozenset((("credentials", "passphrase_command"), ("services", "mode")))
"""Keys of the sandbox that are about the host, not about one project."""
_KINDS = {"string": "text", "integer": "whole number", "number": "number", "boolean": "true or false"}
_EMPTY: dict[str, Any] = {"object": {}, "array": []}


@dataclass(frozen=True, slots=True)
class Key:
    """A key of a file: where it stands, what it holds, and what it is for."""

    path: str
    kind: str
    default: Any
    help: str


class Split(NamedTuple):
    """A layer, divided among the wheels, and the sections and keys that nobody has."""

    product: dict[str, Any]
    sandbox: dict[str, Any]
    image: dict[str, Any]
    unknown: list[tuple[str, ...]]


class Owners:
    """The owners of the keys of `config.yml` or `project.yml`."""

    def __init__(self, file: Literal["config.yml", "project.yml"]) -> None:
        self.file = file
        root = HostFile if file == "config.yml" else ProjectFile
        self.product: TypeAdapter[Any] = TypeAdapter(root)
        self.sandbox: TypeAdapter[Any] = TypeAdapter(SandboxConfigView)
        self.image: TypeAdapter[Any] = TypeAdapter(ImageSettings)
        self._empty = root()
        self._product_keys = {field.name: _names(getattr(self._empty, field.name)) for field in fields(root)}
        self._sandbox_keys = {
            section: frozenset(
                key
                for key in getattr(info.annotation, "model_fields", {})
                if file == "config.yml" or (section, key) not in _ONLY_HOST
            )
            for section, info in SandboxConfigView.model_fields.items()
        }
        self._image_keys = _names(ImageSettings()) or frozenset()

    @cached_property
    def keys(self) -> dict[str, Key]:
        """Every key by its path, such as `run.memory`, in the order of the sections' names."""
        found = {key.path: key for key in self._described()}
        return dict(sorted(found.items()))

    def schema(self) -> dict[str, Any]:
        """Return the JSON Schema of terok's own sections, in which inherited keys have their description too."""
        schema: dict[str, Any] = self.product.json_schema()
        sections = [type(getattr(self._empty, field.name)) for field in fields(type(self._empty))]
        parts: list[tuple[type, dict[str, Any]]] = [(type(self._empty), schema)]
        parts += [(section, schema["$defs"][section.__name__]) for section in sections if is_dataclass(section)]
        for kind, described in parts:
            for base in (one for one in kind.__mro__[1:] if is_dataclass(one)):
                for name, said in TypeAdapter(base).json_schema()["properties"].items():
                    if "description" in said:
                        described["properties"][name].setdefault("description", said["description"])
        return schema

    def _described(self) -> Iterator[Key]:
        yield from _leaves(self.schema())
        yield from _leaves(self.image.json_schema(), "image")
        for key in _leaves(self.sandbox.json_schema()):
            section, _, name = key.path.partition(".")
            if name.partition(".")[0] in self._sandbox_keys[section]:
                yield key

    def split(self, data: Mapping[str, Any]) -> Split:
        """Divide a layer among the wheels."""
        result = Split({}, {}, {}, [])
        for section, values in data.items():
            own = self._product_keys.get(section, frozenset())
            lower = self._image_keys if section == "image" else self._sandbox_keys.get(section, frozenset())
            if own is not None and not own and not lower:
                result.unknown.append((section,))
            elif own is None or not isinstance(values, Mapping):
                target = result.product if section in self._product_keys else result.sandbox
                target[section] = values
            else:
                self._divide(section, values, own, lower, result)
        return result

    @staticmethod
    def _divide(
        section: str, values: Mapping[str, Any], own: frozenset[str], lower: frozenset[str], result: Split
    ) -> None:
        for key, value in values.items():
            if key in own:
                result.product.setdefault(section, {})[key] = value
            elif key not in lower:
                result.unknown.append((section, key))
            elif section == "image":
                result.image[key] = value
            else:
                result.sandbox.setdefault(section, {})[key] = value


def _names(section: Any) -> frozenset[str] | None:
    """Return the keys of a section; None if they are free."""
    return None if isinstance(section, dict) else frozenset(field.name for field in fields(section))


def _leaves(schema: Mapping[str, Any], above: str = "") -> Iterator[Key]:
    """Yield the keys that a JSON Schema describes."""
    yield from _below(schema, schema.get("$defs", {}), above)


def _below(node: Mapping[str, Any], defs: Mapping[str, Any], path: str) -> Iterator[Key]:
    for name, child in node.get("properties", {}).items():
        place = f"{path}.{name}" if path else name
        target = _target(child, defs)
        if target.get("properties"):
            yield from _below(target, defs, place)
        elif "default" in target or path or target.get("additionalProperties"):
            default = child.get("default", _EMPTY.get(target.get("type", "")))
            yield Key(place, _kind(child, defs), default, " ".join(child.get("description", "").split()))


def _target(node: Mapping[str, Any], defs: Mapping[str, Any]) -> Mapping[str, Any]:
    return defs[node["$ref"].rpartition("/")[2]] if "$ref" in node else node


def _kind(node: Mapping[str, Any], defs: Mapping[str, Any]) -> str:
    node = _target(node, defs)
    if "enum" in node or "const" in node:
        *others, last = map(str, node.get("enum") or [node["const"]])
        return f"{', '.join(others)} or {last}" if others else last
    if "anyOf" in node:
        return ", or ".join(dict.fromkeys(_kind(one, defs) for one in node["anyOf"] if one.get("type") != "null"))
    if node.get("type") == "array":
        item = _target(node.get("items", {}), defs)
        named = ", ".join(item["properties"]) if item.get("properties") else _kind(item, defs)
        return f"list of {named}" if len(named.split()) < 3 or item.get("properties") else f"list of: {named}"
    if node.get("type") == "object":
        return "values by name"
    return _KINDS.get(str(node.get("type")), "anything") + _bounds(node)


def _bounds(node: Mapping[str, Any]) -> str:
    low = node.get("minimum", node.get("exclusiveMinimum"))
    if low is None:
        return ""
    above = "above " if "exclusiveMinimum" in node else ""
    return f", {above}{json.dumps(low)} to {node['maximum']}" if "maximum" in node else f", {above or 'from '}{low}"


HOST = Owners("config.yml")
PROJECT = Owners("project.yml")
