from __future__ import annotations

import json

from hypothesis import given
from hypothesis import strategies as st
from terok.errors import BadRequestError
from terok.stub import gemini
from terok.stub.script import Conversation, Script, Text, ToolCall, next_reply

DECLARED = {"name": "run_shell_command", "parametersJsonSchema": {"properties": {"command": {"type": "string"}}}}
QUESTION = {"role": "user", "parts": [{"text": "do it"}]}
VALUES = st.recursive(
    st.none() | st.booleans() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.sampled_from(["parts", "functionResponse", "response", "name", "output"]), inner)
    ),
    max_leaves=15,
)


def request(*answers: str) -> dict:
    turns = [
        {"role": "user", "parts": [{"functionResponse": {"name": "run_shell_command", "response": {"output": text}}}]}
        for text in answers
    ]
    return {"contents": [QUESTION, *turns], "tools": [{"functionDeclarations": [DECLARED]}]}


def test_commands_follow_the_number_of_answers_and_the_last_word_ends_it() -> None:
    script = Script(("first", "second"), "All done.")
    for number, command in enumerate(("first", "second")):
        conversation = gemini.read_request(request(*["said"] * number))
        assert [result.text for result in conversation.results] == ["said"] * number
        reply = next_reply(script, conversation)
        assert isinstance(reply, ToolCall)
        (part,) = gemini.body(reply, conversation, "r")["candidates"][0]["content"]["parts"]
        assert part["functionCall"]["args"] == {"command": command}
        assert part["functionCall"]["name"] == "run_shell_command"
    assert next_reply(script, gemini.read_request(request("a", "b"))) == Text("All done.")


def test_the_stream_is_one_event_with_the_body() -> None:
    conversation = Conversation("stub", size=40)
    (event,) = gemini.stream(Text("hello"), conversation, "r")
    assert json.loads(event.decode().removeprefix("data: ")) == gemini.body(Text("hello"), conversation, "r")
    assert gemini.count_tokens(conversation) == {"totalTokens": 10}


@given(VALUES, VALUES)
def test_odd_requests_are_read_or_refused(contents: object, tools: object) -> None:
    try:
        gemini.read_request({"contents": contents, "tools": tools})
    except BadRequestError:
        return
