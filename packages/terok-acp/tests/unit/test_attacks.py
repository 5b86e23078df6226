"""Attacks of agents and editors on the whole of the conductor, each with its id and the rule that refuses it.

Scripted adapters say hostile things; every frame that reaches an editor or an adapter is judged by the protocol's
schema.
"""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from acp_schema import violations
from acp_world import World, new
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from terok_acp.protocol.framing import DEEPEST, FROM_EDITOR, FrameReader, Violation, encode

PERMISSION = {"toolCall": {"toolCallId": "t"}, "options": [{"optionId": "y", "name": "Y", "kind": "allow_once"}]}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "box", "alpha", "beta")


def two(world: World) -> tuple[Any, str, str]:
    """Return an editor with a session at each of two agents; their adapters are `world.adapters` in this order."""
    editor = world.editor()
    keys = []
    for model in ("alpha:one", "beta:one"):
        key = new(editor)
        editor.done("session/set_config_option", sessionId=key, configId="model", value=model)
        editor.prompt(key)
        keys.append(key)
    assert [one.agent for one in world.adapters] == ["alpha", "beta"]
    return editor, keys[0], keys[1]


def test_the_judge_sees_what_is_wrong() -> None:
    def said(**update: Any) -> list[str]:
        return violations(
            {"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": "s", "update": update}}, {}
        )

    assert not said(sessionUpdate="agent_message_chunk", content={"type": "text", "text": "x"})
    assert said(sessionUpdate="agent_message_chunk", content={"type": "text"}) and said(sessionUpdate="unknown")
    assert said(sessionUpdate="tool_call", toolCallId="1", title="t", kind="explode") and violations([], {})
    assert violations({"jsonrpc": "2.0", "id": 1, "result": {}}, {1: "session/prompt"})


@pytest.mark.attack("ACP-34")  # R5
@pytest.mark.parametrize("foreign", ["beta-1", "", None, 5, ["beta-1"], {"beta-1": 1}])
def test_an_agent_says_nothing_in_a_session_of_another(world: World, foreign: Any) -> None:
    editor, _, theirs = two(world)
    for name in (foreign, theirs):
        world.adapters[0].update(name, sessionUpdate="agent_message_chunk", content={"type": "text", "text": "forged"})
    assert "forged" not in json.dumps(editor.pull()) and sum(world.conductor.counts.values()) >= 2


@pytest.mark.attack("ACP-35")  # R5
def test_an_agent_asks_nothing_in_a_session_of_another(world: World) -> None:
    editor, _, theirs = two(world)
    for number, name in enumerate(["beta-1", theirs, None, ["beta-1"]]):
        world.adapters[0].ask(name, number)
    assert editor.questions() == [] and ["error" in one for one in world.adapters[0].answers()] == [True] * 4


@pytest.mark.attack("ACP-36")  # R7
def test_meta_names_no_session(world: World) -> None:
    editor, mine, theirs = two(world)
    meta = {"sessionId": theirs, "session_id": "beta-1"}
    before = len(world.adapters[1].got)
    editor.call("session/prompt", sessionId=mine, prompt=[{"type": "text", "text": "again"}], _meta=meta)
    sent = world.adapters[0].sent("session/prompt")[-1]
    assert sent["params"]["sessionId"] == "alpha-1" and "_meta" not in sent["params"]
    assert len(world.adapters[1].got) == before
    world.adapters[0].say(
        {
            "jsonrpc": "2.0",
            "method": "session/update",
            "params": {
                "sessionId": "alpha-1",
                "_meta": {"sessionId": "beta-1"},
                "update": {"sessionUpdate": "agent_message_chunk", "content": {"type": "text", "text": "hello"}},
            },
        }
    )
    assert editor.text(mine) == "hello" and editor.text(theirs) == ""


@pytest.mark.attack("ACP-37")  # R4, R5
@pytest.mark.parametrize("key", ["alpha-1", "x", "", None, 5, True, [], {}, "../../etc", "a" * 10_000])
def test_an_editor_reaches_no_session_by_a_name_that_is_not_ours(world: World, key: Any) -> None:
    editor, *_ = two(world)
    before = [len(one.got) for one in world.adapters]
    for method in ("session/prompt", "session/load", "session/close", "session/fork", "session/set_mode", "_x/y"):
        reply = editor.reply(
            editor.call(method, sessionId=key, prompt=[], cwd="/home/me/project", mcpServers=[], modeId="m")
        )
        assert reply is not None and ("error" in reply or method == "session/close")
    editor.tell("session/cancel", sessionId=key)
    assert [len(one.got) for one in world.adapters] == before


@pytest.mark.attack("ACP-38")  # R6
@pytest.mark.parametrize("forge", [str, float, lambda number: [number], lambda number: number + 1000, lambda _: None])
def test_an_answer_needs_the_very_id_of_its_request(world: World, forge: Any) -> None:
    editor, mine, _ = two(world)
    prompt, sent = editor.prompt(mine), world.adapters[0].sent("session/prompt")[-1]
    frame = {"jsonrpc": "2.0", "id": forge(sent["id"]), "result": {"stopReason": "end_turn"}}
    for adapter in world.adapters:
        adapter.say(frame)
    assert editor.reply(prompt) is None


@pytest.mark.attack("ACP-39")  # R6
def test_an_agent_answers_for_no_other(world: World) -> None:
    editor, mine, _ = two(world)
    prompt, sent = editor.prompt(mine), world.adapters[0].sent("session/prompt")[-1]
    for number in range(sent["id"] + 5):
        world.adapters[1].say({"jsonrpc": "2.0", "id": number, "result": {"stopReason": "end_turn"}})
    assert editor.reply(prompt) is None


@pytest.mark.attack("ACP-40")  # R6, R11, R13
def test_a_late_yes_allows_nothing(world: World) -> None:
    editor, mine, _ = two(world)
    world.adapters[0].ask("alpha-1", 7)
    [question] = editor.questions()
    editor.tell("session/cancel", sessionId=mine)
    for _ in range(2):
        editor.answer(question["id"], {"outcome": {"outcome": "selected", "optionId": "yes"}})
    assert [one["result"]["outcome"]["outcome"] for one in world.adapters[0].answers()] == ["cancelled"]


@pytest.mark.attack("ACP-42")  # R6
def test_an_editor_answers_and_cancels_nothing_of_another(world: World) -> None:
    editor, mine, _ = two(world)
    prompt, other = editor.prompt(mine), world.editor()
    world.adapters[0].ask("alpha-1", 7)
    [question] = editor.questions()
    for number in range(question["id"] + 20):
        other.answer(number, {"outcome": {"outcome": "selected", "optionId": "yes"}})
    other.tell("$/cancel_request", requestId=prompt)
    other.tell("session/cancel", sessionId=mine)
    assert world.adapters[0].answers() == [] and editor.reply(prompt) is None
    assert not world.adapters[0].sent("$/cancel_request") and not world.adapters[0].sent("session/cancel")


@pytest.mark.attack("ACP-43")  # R16, R20, R21, R23
@pytest.mark.parametrize(
    "method",
    [
        "fs/read_text_file",
        "fs/write_text_file",
        "terminal/create",
        "terminal/kill",
        "mcp/message",
        "session/prompt",
        "_zed/run",
        "x",
    ],
)
def test_nothing_that_acts_on_the_host_reaches_an_editor(world: World, method: str) -> None:
    editor, *_ = two(world)
    params = {"sessionId": "alpha-1", "path": "/etc/passwd", "content": "", "command": "sh", "args": ["-c", "id"]}
    before = len(editor.pull())
    world.adapters[0].say({"jsonrpc": "2.0", "id": 1, "method": method, "params": params})
    world.adapters[0].say({"jsonrpc": "2.0", "method": method, "params": params})
    assert len(editor.pull()) == before
    assert [one["error"]["code"] for one in world.adapters[0].answers()] == [-32601]


@pytest.mark.attack("ACP-44")  # R6, R23
def test_a_form_reaches_only_who_asked(world: World) -> None:
    editor, _, _ = two(world)
    for number in (True, "1", 1.0, None, 999, world.adapters[1].sent("session/prompt")[0]["id"] + 50):
        params = {"requestId": number, "mode": "form", "message": "password?", "requestedSchema": {}}
        world.adapters[0].say({"jsonrpc": "2.0", "id": 1, "method": "elicitation/create", "params": params})
    assert not [one for one in editor.pull() if one.get("method") == "elicitation/create"]


@pytest.mark.attack("ACP-45")  # R9, R30
def test_a_flood_before_a_session_costs_no_more_than_its_bound(world: World) -> None:
    def flooding(adapter: Any, frame: Any) -> Any:
        for _ in range(3000):
            adapter.chunk("alpha-1", "x")
        return {"result": {"sessionId": "alpha-1"}}

    world.scripts["session/new"] = flooding
    editor = world.editor()
    key = new(editor)
    editor.prompt(key)
    assert 0 < len(editor.text(key)) <= 1000 and sum(world.conductor.counts.values()) >= 2000


@pytest.mark.attack("ACP-46")  # R30
def test_a_flood_of_questions_is_answered_with_errors(world: World) -> None:
    editor, *_ = two(world)
    for number in range(600):
        world.adapters[0].ask("alpha-1", number)
    assert len(editor.questions()) == 256 and len(world.adapters[0].answers()) == 344


@pytest.mark.attack("ACP-47")  # R30
@given(st.lists(st.binary(max_size=40), max_size=8), st.integers(1, 50))
def test_no_bytes_cost_more_than_their_line(lines: list[bytes], step: int) -> None:
    whole = encode({"jsonrpc": "2.0", "method": "x"})
    stream = b"\n".join(line.replace(b"\n", b"") for line in lines) + b"\n" + whole
    reader = FrameReader(100)
    got = [one for start in range(0, len(stream), step) for one in reader.feed(stream[start : start + step])]
    assert got[-1] == json.loads(whole)
    assert all(isinstance(one, Violation | dict) for one in got)


@pytest.mark.attack("ACP-48")  # R30
@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"[1]", -32600),
        (b'[{"jsonrpc":"2.0","id":1,"method":"x"}]', -32600),
        (b"5", -32600),
        (b'"x"', -32600),
        (b"null", -32600),
        (b"{", -32700),
        (b'{"id":NaN}', -32700),
        (b'{"id":1,"method":"\xff"}', -32700),
        (b"[" * 200_000, -32700),
        (b'{"id":{},"method":"x"}', -32600),
        (b'{"id":[1],"result":{}}', -32600),
        (b'{"id":true,"result":{}}', -32600),
        (b'{"method":5}', -32600),
        (b"{}", -32600),
        (b'{"method":"x","params":' + b'{"a":' * (DEEPEST + 1) + b"1" + b"}" * (DEEPEST + 1) + b"}", -32600),
        (b'{"method":"' + b"x" * FROM_EDITOR + b'"}', -32600),
    ],
)
def test_a_malformed_line_is_answered_and_nothing_else_is_lost(world: World, line: bytes, code: int) -> None:
    reader, editor = FrameReader(FROM_EDITOR), world.editor()
    bad, good = reader.feed(line + b"\n" + encode({"jsonrpc": "2.0", "id": 9, "method": "session/list", "params": {}}))
    world.conductor.editor_frame(editor.number, bad)
    world.conductor.editor_frame(editor.number, good)
    first, second = editor.pull()[-2:]
    assert first["error"]["code"] == code and first["id"] is None and second["id"] == 9 and "result" in second


@pytest.mark.attack("ACP-49")  # R30
def test_what_no_peer_can_read_never_leaves(world: World) -> None:
    editor, mine, _ = two(world)
    for text in ("\ud800", "a\udfffb"):
        world.adapters[0].chunk("alpha-1", text)
    world.adapters[0].chunk("alpha-1", "fine")
    assert editor.text(mine) == "fine"


@pytest.mark.attack("ACP-50")  # R24
def test_an_agent_s_question_is_never_taken_for_ours(world: World) -> None:
    editor, mine, _ = two(world)
    forged = {"toolCallId": "terok:terok:1", "title": "terok asks"}
    world.adapters[0].update("alpha-1", sessionUpdate="tool_call", **forged)
    params = {"sessionId": "alpha-1", **PERMISSION, "toolCall": forged}
    world.adapters[0].say({"jsonrpc": "2.0", "id": 1, "method": "session/request_permission", "params": params})
    ids = [
        editor.updates(mine, "tool_call")[0]["toolCallId"],
        editor.questions()[0]["params"]["toolCall"]["toolCallId"],
    ]
    assert ids == ["1", "1"]


@pytest.mark.attack("ACP-51")  # R5, R26
def test_a_dead_adapter_says_nothing_more(world: World) -> None:
    editor, mine, _ = two(world)
    ghost = world.adapters[0]
    ghost.die()
    ghost.chunk("alpha-1", "ghost")
    ghost.ask("alpha-1")
    editor.prompt(mine)
    ghost.chunk("alpha-1", "ghost")
    assert editor.text(mine) == "" and editor.questions() == []


@pytest.mark.attack("ACP-52")  # R4, R5
def test_an_agent_that_gives_one_name_twice_joins_no_sessions(world: World) -> None:
    world.scripts["session/new"] = lambda *_: {"result": {"sessionId": "same"}}
    editor = world.editor()
    first, second = new(editor), new(editor)
    editor.prompt(first)
    reply = editor.reply(editor.prompt(second))
    world.adapter.chunk("same", "for whom?")
    assert editor.text(first, "agent_message_chunk") in {"for whom?", ""} and reply is not None and "error" in reply
    assert "for whom?" not in editor.text(second)


@pytest.mark.attack("ACP-53")  # R15, R16
@pytest.mark.parametrize("version", [2, 0, "1", None, True, []])
def test_an_agent_of_another_version_gets_no_session(world: World, version: Any) -> None:
    world.scripts["initialize"] = lambda *_: {"result": {"protocolVersion": version, "agentCapabilities": {}}}
    editor = world.editor()
    reply = editor.reply(editor.prompt(new(editor)))
    assert reply is not None and "error" in reply and not world.adapter.sent("session/new")


junk = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-5, 5)
    | st.text(max_size=4)
    | st.sampled_from(["/etc/passwd", "terok:1", "select"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=6), inner, max_size=3),
    max_leaves=8,
)
ours = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.attack("ACP-54")  # R1, R15
@ours
@given(
    junk
    | st.fixed_dictionaries({"protocolVersion": st.just(1)}, optional={"agentCapabilities": junk, "authMethods": junk}),
    junk
    | st.fixed_dictionaries(
        {"sessionId": st.just("a") | junk},
        optional={"configOptions": junk | st.lists(junk, max_size=2), "modes": junk, "models": junk},
    ),
)
def test_no_answer_of_an_agent_breaks_an_editor(started: Any, session: Any) -> None:
    with TemporaryDirectory() as name:
        world = World(Path(name), "alpha", warm=False)
        world.scripts["initialize"] = lambda *_: {"result": started}
        world.scripts["session/new"] = lambda *_: {"result": session}
        editor = world.editor()
        key = editor.call("session/new", cwd="/home/me/project", mcpServers=[])
        world.later(20)
        reply = editor.reply(key)
        if reply and "result" in reply:
            editor.prompt(reply["result"]["sessionId"])
            editor.pull()
        world.table.close()


updates = st.fixed_dictionaries(
    {
        "sessionUpdate": st.sampled_from(
            [
                *(
                    "agent_message_chunk",
                    "tool_call",
                    "tool_call_update",
                    "plan",
                    "available_commands_update",
                    "notice",
                ),
                *("current_mode_update", "config_option_update", "session_info_update", "usage_update"),
            ]
        )
    },
    optional={
        "content": junk
        | st.fixed_dictionaries(
            {"type": st.sampled_from(["text", "image", "content", "diff"])}, optional={"text": junk}
        ),
        "toolCallId": junk,
        "title": junk,
        "kind": junk,
        "status": junk,
        "locations": junk,
        "entries": junk,
        "availableCommands": junk,
        "currentModeId": junk,
        "configOptions": junk,
        "updatedAt": junk,
        "used": junk,
        "size": junk,
        "cost": junk,
        "severity": junk,
        "messageId": junk,
    },
)


@pytest.mark.attack("ACP-55")  # R1, R30
@ours
@given(st.lists(updates, max_size=6))
def test_no_update_of_an_agent_breaks_an_editor_now_or_at_the_next_load(said: list[Any]) -> None:
    with TemporaryDirectory() as name:
        world = World(Path(name), "alpha")
        editor = world.editor(session={"notices": {}})
        key = new(editor)
        editor.prompt(key)
        for update in said:
            world.adapter.update("alpha-1", **update)
        world.adapter.chunk("alpha-1", "still here")
        assert editor.text(key).endswith("still here")
        again = world.editor(session={"notices": {}})
        again.done("session/load", sessionId=key, cwd="/home/me/project", mcpServers=[])
        assert again.text(key).endswith("still here")
        world.table.close()


@pytest.mark.attack("ACP-56")  # R1, R18, R22
@ours
@given(
    st.lists(
        st.tuples(
            st.sampled_from(
                [
                    *(
                        "session/new",
                        "session/load",
                        "session/resume",
                        "session/prompt",
                        "session/list",
                        "session/fork",
                    ),
                    *(
                        "session/set_mode",
                        "session/set_config_option",
                        "session/set_model",
                        "session/close",
                        "session/delete",
                    ),
                    *("authenticate", "initialize", "$/cancel_request", "session/cancel", "logout", "_x"),
                ]
            ),
            st.dictionaries(
                st.sampled_from(
                    [
                        "cwd",
                        "mcpServers",
                        "prompt",
                        "cursor",
                        "configId",
                        "value",
                        "modeId",
                        "modelId",
                        "_meta",
                        "requestId",
                    ]
                ),
                junk | st.just("/home/me/project"),
                max_size=4,
            ),
            st.booleans(),
        ),
        max_size=6,
    )
)
def test_no_frame_of_an_editor_breaks_the_daemon_or_an_adapter(calls: list[tuple[str, dict[str, Any], bool]]) -> None:
    with TemporaryDirectory() as name:
        world = World(Path(name), "alpha")
        editor, bad = world.editor(), world.editor()
        key = new(editor)
        for method, params, ours_too in calls:
            bad.call(method, **params, **({"sessionId": key} if ours_too else {}))
        bad.pull()
        bad.leave()
        key = new(editor)
        editor.prompt(key)
        world.adapter.chunk(f"alpha-{world.counts['alpha']}", "still here")
        assert editor.text(key).endswith("still here")
        world.table.close()
