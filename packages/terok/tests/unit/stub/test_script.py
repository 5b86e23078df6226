from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.errors import ScriptError
from terok.stub.script import (
    AUXILIARY_TEXT,
    Conversation,
    Script,
    Text,
    ToolCall,
    ToolResult,
    Use,
    next_reply,
    step_of,
)
from terok.stub.tools import OfferedTool

BASH = OfferedTool("bash", schema={"type": "object", "properties": {"command": {"type": "string"}}})
SCRIPT = Script(("first", "second"), "The end.")


def conversation(*call_ids: str) -> Conversation:
    return Conversation("m", tools=(BASH,), results=tuple(ToolResult(call_id, "out") for call_id in call_ids))


def test_commands_run_in_order_and_the_sentence_ends_the_turn() -> None:
    seen, call_ids = [], []
    while isinstance(reply := next_reply(SCRIPT, conversation(*call_ids)), ToolCall):
        seen.append(reply.command)
        call_ids.append(reply.call_id)
    assert seen == ["first", "second"]
    assert reply == Text("The end.")


def test_the_newest_result_alone_is_enough_to_go_on() -> None:
    """Clients that keep the conversation at the provider send only what is new."""
    assert next_reply(SCRIPT, conversation("call_terok_001")) == Text("The end.")


def test_results_of_other_calls_do_not_count() -> None:
    reply = next_reply(SCRIPT, conversation("toolu_01", "call_terok_1", "call_terok_0000"))
    assert isinstance(reply, ToolCall)
    assert reply.command == "first"


def test_a_step_may_use_another_tool_which_the_client_has_to_offer() -> None:
    script = Script((Use("ask", {"question": "Which?"}),))
    asking = Conversation("m", tools=(BASH, OfferedTool("ask")))
    assert next_reply(script, asking) == ToolCall("call_terok_000", OfferedTool("ask"), "ask", {"question": "Which?"})
    assert next_reply(script, conversation()) == Text("The client has no tool ask.")


def test_errands_without_a_shell_tool_get_a_short_text() -> None:
    assert next_reply(SCRIPT, Conversation("m")) == Text(AUXILIARY_TEXT)


def test_an_errand_with_a_schema_gets_an_instance_of_it() -> None:
    schema = {
        "type": "object",
        "properties": {"title": {"type": "string"}, "kind": {"enum": ["a", "b"]}, "n": {"type": "integer"}},
        "required": ["title", "kind"],
    }
    reply = next_reply(SCRIPT, Conversation("m", answer_schema=schema))
    assert isinstance(reply, Text)
    assert json.loads(reply.text) == {"title": AUXILIARY_TEXT, "kind": "a"}


@given(st.text())
def test_step_numbers_come_only_from_ids_of_ours(call_id: str) -> None:
    step = step_of(call_id)
    assert step is None or f"call_terok_{step:03d}" == call_id


@pytest.mark.parametrize(
    ("commands", "final", "word"),
    [((" ",), "x", "empty"), (("a\0b",), "x", "NUL"), (("ls",) * 201, "x", "200"), ((), "", "sentence")],
)
def test_malformed_scripts_are_refused(commands: tuple[str, ...], final: str, word: str) -> None:
    with pytest.raises(ScriptError, match=word):
        Script(commands, final)
