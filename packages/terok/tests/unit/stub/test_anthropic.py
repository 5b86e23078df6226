from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from terok.errors import BadRequestError
from terok.stub import anthropic
from terok.stub.script import Charge, Conversation, Text, ToolCall
from terok.stub.tools import OfferedTool

CONVERSATION = Conversation("claude-x", stream=True, size=400, charge=Charge(100, 7))
CALL = ToolCall("call_terok_000", OfferedTool("Bash"), "ls", {"command": "echo 'a long command with ünicode'"})
VALUES = st.recursive(
    st.none() | st.booleans() | st.text(max_size=8) | st.sampled_from(["tool_result", "text"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["type", "content", "name", "text", "tool_use_id", "role"]), inner, max_size=4
        )
    ),
    max_leaves=15,
)


def test_a_recorded_run_is_played_to_its_end(recorded, play) -> None:
    first, last = map(anthropic.read_request, recorded("claude"))
    call, _ = play(first)
    assert call is not None
    assert (call.tool.name, call.arguments) == ("Bash", {"command": "first"})
    assert first.stream and not first.results
    assert [result.text for result in last.results][1:] == ["two words", "Exit code 3"]
    assert play(last) == (None, "All steps are finished.")


@pytest.mark.parametrize("reply", [Text("Some text that is longer than one piece of it."), CALL])
def test_the_stream_adds_up_to_the_body(reply: Text | ToolCall, read_events) -> None:
    events = read_events(anthropic.stream(reply, CONVERSATION, "r1"))
    assert all(name == data["type"] for name, data in events)
    message: dict[str, Any] = {}
    for name, data in events:
        match name:
            case "message_start":
                message = data["message"]
            case "content_block_start":
                message["content"].append(data["content_block"])
                collected = ""
            case "content_block_delta":
                collected += data["delta"].get("text", "") + data["delta"].get("partial_json", "")
            case "content_block_stop":
                block = message["content"][data["index"]]
                block.update({"text": collected} if block["type"] == "text" else {"input": json.loads(collected)})
            case "message_delta":
                message.update(data["delta"])
                message["usage"].update(data["usage"])
    assert message == anthropic.body(reply, CONVERSATION, "r1")
    assert events[-1][0] == "message_stop"
    assert message["usage"]["input_tokens"] == 100


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["messages", "tools", "model", "stream", "output_config"]), VALUES))
def test_hostile_bodies_are_read_or_refused(body: dict[str, Any]) -> None:
    try:
        conversation = anthropic.read_request(body)
    except BadRequestError:
        return
    assert all(isinstance(result.text, str) for result in conversation.results)


def test_structured_output_schemas_are_found() -> None:
    request = {
        "messages": [{"role": "user", "content": "t"}],
        "output_config": {"format": {"schema": {"type": "object"}}},
    }
    assert anthropic.read_request(request).answer_schema == {"type": "object"}
    assert anthropic.count_tokens(Conversation("m", size=41)) == {"input_tokens": 10}
