from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from terok.errors import BadRequestError
from terok.stub import openai_responses
from terok.stub.script import Conversation, Text, ToolCall
from terok.stub.tools import OfferedTool, arguments_for

CONVERSATION = Conversation("gpt-x", stream=True, size=400)
LONG = "echo 'a command longer than one piece'"
TOOLS = (
    OfferedTool("exec_command", schema={"properties": {"cmd": {"type": "string"}}}),
    OfferedTool("exec_command", schema={"properties": {"cmd": {"type": "string"}}}, namespace="unix"),
    OfferedTool("shell", "custom"),
    OfferedTool("local_shell", "local_shell"),
)
CALLS = [ToolCall("call_terok_000", tool, LONG, arguments_for(tool, LONG)) for tool in TOOLS]
VALUES = st.recursive(
    st.none() | st.text(max_size=8) | st.sampled_from(["function", "namespace", "function_call_output", "custom"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "output", "tools", "call_id", "name", "text"]), inner)
    ),
    max_leaves=15,
)


def test_a_recorded_run_is_played_to_its_end(recorded, play) -> None:
    first, last = map(openai_responses.read_request, recorded("codex"))
    call, _ = play(first)
    assert call is not None
    assert (call.tool.name, call.arguments) == ("exec_command", {"cmd": "first"})
    assert "two words" in last.results[1].text
    assert play(last) == (None, "All steps are finished.")


@pytest.mark.parametrize("reply", [Text("Some text that is longer than one piece of it."), *CALLS])
def test_the_stream_adds_up_to_the_body(reply: Text | ToolCall, read_events) -> None:
    events = read_events(openai_responses.stream(reply, CONVERSATION, "r1"))
    assert [data["sequence_number"] for _, data in events] == list(range(len(events)))
    assert all(name == data["type"] for name, data in events)
    by_name = dict(events)
    added, done = by_name["response.output_item.added"]["item"], by_name["response.output_item.done"]["item"]
    assert added["id"] == done["id"]
    collected = "".join(data["delta"] for name, data in events if name.endswith(".delta"))
    body = openai_responses.body(reply, CONVERSATION, "r1")
    assert by_name["response.completed"]["response"] == body
    assert body["output"] == [done]
    match done["type"]:
        case "message":
            assert collected == done["content"][0]["text"]
        case "local_shell_call":
            assert done["action"]["command"] == ["bash", "-lc", LONG]
        case "custom_tool_call":
            assert collected == done["input"] == LONG
        case _:
            assert collected == done["arguments"]
            assert added["arguments"] == ""
    assert done.get("namespace") == (reply.tool.namespace if isinstance(reply, ToolCall) else None)


def test_tools_of_every_kind_are_read() -> None:
    tools: list[dict[str, Any]] = [
        {"type": "namespace", "name": "unix", "tools": [{"type": "function", "name": "exec_command"}]},
        {"type": "custom", "name": "shell"},
        {"type": "local_shell"},
        {"type": "web_search"},
    ]
    read = openai_responses.read_request({"input": "hello", "tools": tools}).tools
    assert [(tool.name, tool.kind, tool.namespace) for tool in read] == [
        ("exec_command", "function", "unix"),
        ("shell", "custom", None),
        ("local_shell", "local_shell", None),
    ]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["input", "tools", "model", "text"]), VALUES))
def test_hostile_bodies_are_read_or_refused(body: dict[str, Any]) -> None:
    try:
        conversation = openai_responses.read_request(body)
    except BadRequestError:
        return
    assert all(isinstance(result.text, str) for result in conversation.results)
