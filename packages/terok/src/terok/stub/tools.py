"""Choosing the client's shell tool among those it offers, and filling in its arguments.

Clients differ in the name of the tool, in the name of the parameter that takes the command, in whether that is a string
or an argument list, and in what else they require; all of that is in the JSON Schema they send along.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

ToolKind = Literal["function", "custom", "local_shell"]

SHELL_TOOL_NAMES = (
    *("bash", "exec_command", "shell_command", "shell", "local_shell", "run_shell_command", "run_in_terminal"),
    *("execute_command", "run_command", "terminal"),
)
"""Names of shell tools in order of preference, compared without regard to case."""

COMMAND_PARAMETERS = ("command", "cmd", "script", "commands", "input")
MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class OfferedTool:
    """A tool a client offers: `custom` ones take free text, `local_shell` is the Responses API's built-in one."""

    name: str
    kind: ToolKind = "function"
    schema: Mapping[str, Any] = field(default_factory=dict)
    namespace: str | None = None
    """Group of the Responses API the tool is a member of; calls repeat it."""


def choose_shell_tool(tools: Sequence[OfferedTool]) -> OfferedTool | None:
    """Return the tool that runs a shell command, or None if none of them does."""
    by_name = {tool.name.lower(): tool for tool in reversed(tools)}
    for name in SHELL_TOOL_NAMES:
        tool = by_name.get(name)
        if tool is not None and (tool.kind != "function" or _command_parameter(tool.schema) is not None):
            return tool
    return None


def arguments_for(tool: OfferedTool, command: str) -> dict[str, Any]:
    """Arguments that make `tool` run `command`: the command, and an example value for whatever else is required."""
    if tool.kind == "custom":
        return {"input": command}
    if tool.kind == "local_shell":
        return {"command": ["bash", "-lc", command]}
    name = _command_parameter(tool.schema)
    if name is None:
        return {"command": command}
    properties = mapping(tool.schema.get("properties"))
    argv = _wants_list(mapping(properties.get(name)))
    arguments: dict[str, Any] = {name: ["bash", "-lc", command] if argv else command}
    required = tool.schema.get("required")
    for other in required if isinstance(required, Sequence) and not isinstance(required, str) else ():
        if isinstance(other, str) and other not in arguments:
            arguments[other] = example_of(mapping(properties.get(other)), "Run a command")
    return arguments


def example_of(schema: Mapping[str, Any], text: str, *, depth: int = 0) -> Any:
    """Return the simplest value a JSON Schema accepts, with `text` for its strings; deep nesting ends in None."""
    if depth > MAX_DEPTH:
        return None
    for keyword in ("const", "default"):
        if keyword in schema:
            return schema[keyword]
    choices = schema.get("enum")
    if isinstance(choices, list) and choices:
        return choices[0]
    for keyword in ("anyOf", "oneOf", "allOf"):
        variants = schema.get(keyword)
        if isinstance(variants, list) and variants:
            return example_of(mapping(variants[0]), text, depth=depth + 1)
    return _example_of_type(schema, text, depth)


def _example_of_type(schema: Mapping[str, Any], text: str, depth: int) -> Any:
    kind = schema.get("type")
    if isinstance(kind, list):
        kind = kind[0] if kind else None
    if kind == "object" or "properties" in schema:
        properties, required = mapping(schema.get("properties")), schema.get("required")
        names = [name for name in required if isinstance(name, str)] if isinstance(required, list) else []
        return {name: example_of(mapping(properties.get(name)), text, depth=depth + 1) for name in names}
    if kind == "array":
        return []
    if kind in ("integer", "number"):  # a tuple: anything may stand here, also what has no hash
        minimum = schema.get("minimum", 0)
        return minimum if isinstance(minimum, int | float) else 0
    if kind == "boolean":
        return False
    return None if kind == "null" else text


def _command_parameter(schema: Mapping[str, Any]) -> str | None:
    properties = mapping(schema.get("properties"))
    return next((name for name in COMMAND_PARAMETERS if name in properties), None)


def _wants_list(schema: Mapping[str, Any]) -> bool:
    kind = schema.get("type")
    if isinstance(kind, list):
        return "array" in kind and "string" not in kind
    return kind == "array"


def mapping(value: object) -> Mapping[str, Any]:
    """Return the value when it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}
