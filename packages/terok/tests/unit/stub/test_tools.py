from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from terok.stub.tools import OfferedTool, arguments_for, choose_shell_tool, example_of

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=10),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=20,
)


def tool(name: str, **properties: Any) -> OfferedTool:
    return OfferedTool(name, schema={"type": "object", "properties": properties, "required": list(properties)})


@pytest.mark.parametrize(
    ("offered", "chosen"),
    [
        (["Read", "Bash", "Edit"], "Bash"),
        (["write_stdin", "exec_command"], "exec_command"),
        (["read_bash", "bash"], "bash"),
        (["Read", "Edit"], None),
        ([], None),
    ],
)
def test_the_shell_tool_is_found_by_name(offered: list[str], chosen: str | None) -> None:
    found = choose_shell_tool([tool(name, command={"type": "string"}) for name in offered])
    assert (found and found.name) == chosen


def test_a_tool_of_the_right_name_without_a_command_is_passed_over() -> None:
    assert choose_shell_tool([tool("bash", restart={"type": "boolean"})]) is None


def test_commands_are_strings_or_argument_lists_as_the_schema_says() -> None:
    assert arguments_for(tool("exec_command", cmd={"type": "string"}), "ls -l") == {"cmd": "ls -l"}
    argv = arguments_for(tool("shell", command={"type": "array"}), "ls -l")
    assert argv == {"command": ["bash", "-lc", "ls -l"]}
    assert arguments_for(OfferedTool("exec", "custom"), "ls") == {"input": "ls"}
    assert arguments_for(OfferedTool("local_shell", "local_shell"), "ls") == {"command": ["bash", "-lc", "ls"]}


def test_other_required_parameters_are_filled_in() -> None:
    offered = tool("bash", command={"type": "string"}, description={"type": "string"}, mode={"enum": ["sync", "async"]})
    arguments = arguments_for(offered, "ls")
    assert arguments == {"command": "ls", "description": "Run a command", "mode": "sync"}


@settings(deadline=None)
@given(JSON, JSON)
def test_any_schema_is_survived(schema: Any, parameters: Any) -> None:
    if isinstance(schema, dict):
        json.dumps(example_of(schema, "text"))
    offered = OfferedTool("bash", schema={"properties": schema, "required": parameters})
    offered = OfferedTool("bash", schema=offered.schema if isinstance(schema, dict) else {})
    json.dumps(arguments_for(offered, "ls"))


def test_a_schema_nested_without_end_ends() -> None:
    schema: dict[str, Any] = {"type": "object", "required": ["a"]}
    schema["properties"] = {"a": schema}
    json.dumps(example_of(schema, "text"))
