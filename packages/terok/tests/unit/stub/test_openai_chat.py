from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from terok.errors import BadRequestError
from terok.stub import openai_chat
from terok.stub.script import AUXILIARY_TEXT, Conversation, Text, ToolCall
from terok.stub.tools import OfferedTool

CONVERSATION = Conversation("gpt-x", stream=True, size=400)
CALL = ToolCall("call_terok_000", OfferedTool("bash"), "ls", {"command": "echo 'a command longer than one piece'"})
CUSTOM = ToolCall("call_terok_000", OfferedTool("shell", "custom"), "ls -l some/rather/long/path")
VALUES = st.recursive(
    st.none() | st.booleans() | st.text(max_size=8) | st.sampled_from(["tool", "function", "custom"]),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["type", "content", "function", "tool_call_id", "role", "text"]), inner)
    ),
    max_leaves=15,
)


@pytest.mark.parametrize(("client", "extra"), [("opencode", {}), ("copilot", {"description": "Run a command"})])
def test_a_recorded_run_is_played_to_its_end(client: str, extra: dict[str, str], recorded, play) -> None:
    *errands, first, last = map(openai_chat.read_request, recorded(client))
    assert [play(errand) for errand in errands] == [(None, AUXILIARY_TEXT)] * len(errands)
    call, _ = play(first)
    assert call is not None
    assert (call.tool.name, call.arguments) == ("bash", {"command": "first", **extra})
    assert "two words" in last.results[1].text
    assert play(last) == (None, "All steps are finished.")


@pytest.mark.parametrize("reply", [Text("Some text that is longer than one piece of it."), CALL, CUSTOM])
def test_the_stream_adds_up_to_the_body(reply: Text | ToolCall, read_events) -> None:
    events = read_events(openai_chat.stream(reply, CONVERSATION, "r1"))
    assert events.pop()[1] == "[DONE]"
    chunks = [data for _, data in events]
    usage = chunks.pop()
    assert usage["choices"] == []
    message: dict[str, Any] = {"role": "assistant", "content": None}
    for chunk in chunks:
        (choice,) = chunk["choices"]
        if (text := choice["delta"].get("content")) is not None:
            message["content"] = (message["content"] or "") + text
        for call in choice["delta"].get("tool_calls", []):
            if "id" in call:
                message["tool_calls"] = [{key: value for key, value in call.items() if key != "index"}]
            else:
                (kind,) = set(call) - {"index"}
                for part, piece in call[kind].items():
                    message["tool_calls"][0][kind][part] += piece
    body = openai_chat.body(reply, CONVERSATION, "r1")
    assert body["choices"][0]["message"] == message
    assert body["choices"][0]["finish_reason"] == chunks[-1]["choices"][0]["finish_reason"]
    assert body["usage"] == usage["usage"]


@settings(deadline=None)
@given(st.dictionaries(st.sampled_from(["messages", "tools", "model", "response_format"]), VALUES))
def test_hostile_bodies_are_read_or_refused(body: dict[str, Any]) -> None:
    try:
        conversation = openai_chat.read_request(body)
    except BadRequestError:
        return
    assert all(isinstance(result.text, str) for result in conversation.results)
