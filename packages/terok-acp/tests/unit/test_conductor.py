from __future__ import annotations

from pathlib import Path

import pytest
from acp_world import ABLE, MODELS, Adapter, World, new
from terok_acp.conductor.host_questions import HostQuestion
from terok_acp.wall.reserved import RESERVED_PREFIX


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path / "box", "alpha", "beta")


def test_a_turn(world: World) -> None:
    editor = world.editor()
    key = new(editor)
    prompt = editor.prompt(key, "do it")
    adapter = world.adapter
    [sent] = adapter.sent("session/prompt")
    assert sent["params"]["sessionId"] == "alpha-1"
    adapter.chunk("alpha-1", "wor")
    adapter.chunk("alpha-1", "king")
    adapter.say({"jsonrpc": "2.0", "id": sent["id"], "result": {"stopReason": "end_turn"}})
    assert editor.reply(prompt) == {"jsonrpc": "2.0", "id": prompt, "result": {"stopReason": "end_turn"}}
    assert editor.text(key) == "working"
    assert editor.text(key, "user_message_chunk") == ""
    assert world.table.get(key).title == "do it"


def test_a_permission_goes_round_with_fresh_ids(world: World) -> None:
    editor, other = world.editor(), world.editor()
    key = new(editor)
    other.done("session/resume", sessionId=key, cwd="/home/me/project", mcpServers=[])
    editor.prompt(key)
    world.adapter.ask("alpha-1", 0)
    [question], [twin] = editor.questions(), other.questions()
    assert question["params"]["sessionId"] == key
    other.answer(twin["id"], {"outcome": {"outcome": "selected", "optionId": "yes"}})
    editor.answer(question["id"], {"outcome": {"outcome": "selected", "optionId": "no"}})
    assert world.adapter.answers() == [
        {"jsonrpc": "2.0", "id": 0, "result": {"outcome": {"outcome": "selected", "optionId": "yes"}}}
    ]
    withdrawn = [frame for frame in editor.pull() if frame.get("method") == "$/cancel_request"]
    assert [frame["params"]["requestId"] for frame in withdrawn] == [question["id"]]


def test_cancel_answers_open_permissions_at_once(world: World) -> None:
    editor = world.editor()
    key = new(editor)
    prompt = editor.prompt(key)
    world.adapter.ask("alpha-1", 7)
    editor.tell("session/cancel", sessionId=key)
    assert {"jsonrpc": "2.0", "id": 7, "result": {"outcome": {"outcome": "cancelled"}}} in world.adapter.answers()
    assert world.adapter.sent("session/cancel")[0]["params"] == {"sessionId": "alpha-1"}
    assert editor.reply(prompt) is None
    world.later(11)
    assert editor.reply(prompt)["result"] == {"stopReason": "cancelled"}
    assert world.adapter.sent("session/close")
    again = editor.prompt(key)
    assert world.adapter.sent("session/resume")
    assert len(world.adapter.sent("session/prompt")) == 2
    assert editor.reply(again) is None


def test_cancel_while_the_adapter_starts(world: World) -> None:
    world.scripts["initialize"] = lambda *_: None
    editor = world.editor()
    key = new(editor)
    prompt = editor.prompt(key)
    editor.tell("session/cancel", sessionId=key)
    assert editor.reply(prompt)["result"] == {"stopReason": "cancelled"}
    [start] = world.adapter.sent("initialize")
    world.adapter.say({"jsonrpc": "2.0", "id": start["id"], "result": ABLE})
    assert not world.adapter.sent("session/prompt")


def test_a_dead_adapter_is_started_anew_and_resumed(world: World) -> None:
    editor = world.editor()
    key = new(editor)
    prompt = editor.prompt(key)
    world.adapter.chunk("alpha-1", "half")
    world.adapter.die()
    reply = editor.reply(prompt)
    assert (reply["error"]["code"], set(reply["error"]["data"])) == (-32603, {"details"})
    editor.prompt(key)
    assert len(world.adapters) == 2
    assert world.adapter.sent("session/resume")[0]["params"]["sessionId"] == "alpha-1"
    world.adapter.chunk("alpha-1", " more")
    assert editor.text(key) == "half more"


def test_what_cannot_be_resumed_begins_anew_and_says_so(world: World) -> None:
    refuse = {"error": {"code": -32603, "message": "unknown"}}
    world.scripts["session/resume"] = world.scripts["session/load"] = lambda *_: refuse
    editor = world.editor()
    key = new(editor)
    editor.prompt(key)
    world.adapter.chunk("alpha-1", "x")
    world.adapter.die()
    editor.prompt(key)
    assert "does not remember" in editor.text(key)
    assert world.adapter.sent("session/prompt")


def test_a_loop_of_crashes_is_ended(world: World) -> None:
    editor = world.editor()
    key = new(editor)
    for _ in range(3):
        editor.prompt(key)
        world.adapter.die()
    reply = editor.reply(editor.prompt(key))
    assert len(world.adapters) == 3
    assert "3 times" in reply["error"]["message"]
    world.later(61)
    editor.prompt(key)
    assert len(world.adapters) == 4


def test_a_forgotten_session_is_bound_again_once(world: World) -> None:
    world.scripts["session/prompt"] = lambda *_: {"error": {"code": -32002, "message": "no session"}}
    editor = world.editor()
    key = new(editor)
    prompt = editor.prompt(key)
    assert editor.reply(prompt)["error"]["code"] == -32002
    assert len(world.adapter.sent("session/prompt")) == 2


def test_another_agent_by_its_model(world: World) -> None:
    editor = world.editor()
    key = new(editor)
    reply = editor.done("session/set_config_option", sessionId=key, configId="model", value="beta:two:2")
    assert reply["configOptions"][0]["currentValue"] == "beta:two:2"
    assert world.adapter.agent == "beta"
    assert world.adapter.sent("session/set_config_option")[0]["params"]["value"] == "two:2"
    editor.prompt(key)
    assert world.adapter.sent("session/prompt")[0]["params"]["sessionId"] == "beta-1"
    values = [entry["value"] for entry in reply["configOptions"][0]["options"]]
    assert values == ["alpha:one", "alpha:two:2", "beta:one", "beta:two:2"]


def test_booleans_are_selects_for_editors_without_them(world: World) -> None:
    plain, able = world.editor(), world.editor(session={"configOptions": {"boolean": {}}})
    first = plain.done("session/new", cwd="/p", mcpServers=[])
    second = able.done("session/new", cwd="/p", mcpServers=[])
    assert first["configOptions"][1]["type"] == "select"
    assert second["configOptions"][1]["type"] == "boolean"
    plain.done("session/set_config_option", sessionId=first["sessionId"], configId="fast", value="on")
    sent = [frame["params"] for adapter in world.adapters for frame in adapter.sent("session/set_config_option")]
    assert [(params["configId"], params["value"]) for params in sent] == [("fast", True)]


def test_an_editor_dies_in_a_turn_and_finds_everything_once(world: World) -> None:
    editor = world.editor()
    key = new(editor)
    editor.prompt(key, "go")
    world.adapter.chunk("alpha-1", "one ")
    assert editor.text(key) == "one "
    editor.leave()
    world.adapter.chunk("alpha-1", "two ")
    world.adapter.ask("alpha-1", 3)
    later = world.editor()
    number = later.call("session/load", sessionId=key, cwd="/home/me/project", mcpServers=[])
    assert later.reply(number) is not None
    [question] = later.questions()
    world.adapter.chunk("alpha-1", "three")
    assert later.text(key, "user_message_chunk") == "go"
    assert later.text(key) == "one two three"
    order = [frame.get("id") or frame["method"] for frame in later.pull()]
    assert order.index(number) > order.index("session/update")
    later.answer(question["id"], {"outcome": {"outcome": "selected", "optionId": "no"}})
    assert world.adapter.answers()[-1]["id"] == 3


def test_sessions_outlive_the_daemon(world: World) -> None:
    editor = world.editor()
    key = new(editor)
    editor.prompt(key, "remember")
    world.adapter.chunk("alpha-1", "done")
    world.restart()
    editor = world.editor()
    [entry] = editor.done("session/list", cwd="/home/me/project")["sessions"]
    assert (entry["sessionId"], entry["title"], entry["updatedAt"][:4]) == (key, "remember", "2027")
    editor.done("session/load", sessionId=key, cwd="/home/me/project", mcpServers=[])
    assert editor.text(key) == "done"
    editor.prompt(key)
    assert world.adapter.sent("session/resume")
    editor.done("session/delete", sessionId=key)
    assert editor.done("session/list")["sessions"] == []


def test_a_slow_editor_gets_everything_once_and_costs_little(world: World) -> None:
    slow = world.editor()
    key = new(slow)
    prompt = slow.prompt(key)
    for number in range(20_000):
        world.adapter.chunk("alpha-1", f"{number:07},".ljust(300, "x"))
    waiting = next(iter(world.conductor._core.editors.values())).outbox.size
    assert waiting < 2 << 20
    [sent] = world.adapter.sent("session/prompt")
    world.adapter.say({"jsonrpc": "2.0", "id": sent["id"], "result": {"stopReason": "end_turn"}})
    assert slow.reply(prompt) is not None
    assert [int(piece.split("x")[-1]) for piece in slow.text(key).split(",")[:-1]] == list(range(20_000))
    frames = slow.pull()
    assert frames[-1].get("id") == prompt
    world.adapter.chunk("alpha-1", "live")
    assert slow.text(key).endswith("live")


def test_an_editor_that_takes_nothing_is_let_go(world: World) -> None:
    editor = world.editor()
    new(editor)
    world.later(50)
    world.later(50)
    assert world.dropped == []
    editor.pull()
    world.adapter.chunk("alpha-1", "x")
    world.later(100)
    assert world.dropped == [1]


def test_early_updates_come_after_the_answer(world: World) -> None:
    def early(adapter: object, frame: dict) -> dict:
        adapter.update("n1", sessionUpdate="available_commands_update", availableCommands=[])
        adapter.update("stranger", sessionUpdate="available_commands_update", availableCommands=[])
        return {"result": {"sessionId": "n1"}}

    world.scripts["session/new"] = early
    world.roster.offers.clear()
    editor = world.editor()
    number = editor.call("session/new", cwd="/p", mcpServers=[])
    key = editor.reply(number)["result"]["sessionId"]
    frames = [frame for frame in editor.pull() if frame.get("id") == number or "method" in frame]
    assert frames[0]["id"] == number
    assert len(editor.updates(key, "available_commands_update")) == 1
    assert world.conductor.counts["session of another"] == 1


def test_a_second_editors_prompt_waits_and_is_seen(world: World) -> None:
    first, second = world.editor(), world.editor()
    key = new(first)
    second.done("session/resume", sessionId=key, cwd="/p", mcpServers=[])
    first.prompt(key, "a")
    mine = second.prompt(key, "b")
    assert second.text(key, "user_message_chunk") == "a"
    [sent] = world.adapter.sent("session/prompt")
    world.adapter.say({"jsonrpc": "2.0", "id": sent["id"], "result": {"stopReason": "end_turn"}})
    assert first.text(key, "user_message_chunk") == "b"
    sent = world.adapter.sent("session/prompt")[-1]
    world.adapter.say({"jsonrpc": "2.0", "id": sent["id"], "result": {"stopReason": "end_turn"}})
    assert second.reply(mine) is not None


def test_a_slow_start_does_not_hold_the_answer(world: World) -> None:
    world.scripts["initialize"] = lambda *_: None
    editor = world.editor()
    assert editor.done("session/new", cwd="/p", mcpServers=[])["configOptions"]
    world.roster.offers.clear()
    number = editor.call("session/new", cwd="/p", mcpServers=[])
    assert editor.reply(number) is None
    world.later(9)
    assert editor.reply(number)["result"]["configOptions"][0]["currentValue"] == "alpha:default"


def test_nobody_signed_in_is_said_with_the_command(world: World) -> None:
    world.roster.specs = []
    editor = world.editor()
    for method, params in (("session/new", {"cwd": "/p", "mcpServers": []}), ("authenticate", {"methodId": "terok"})):
        reply = editor.reply(editor.call(method, **params))
        assert reply["error"]["code"] == -32000
        assert "terok auth" in reply["error"]["message"]


def test_another_version_is_refused(world: World) -> None:
    world.scripts["initialize"] = lambda *_: {"result": {**ABLE, "protocolVersion": 2}}
    editor = world.editor()
    key = new(editor)
    assert "version" in editor.reply(editor.prompt(key))["error"]["message"]
    assert world.adapter.stopped


def test_an_idle_adapter_ends_and_comes_back(world: World) -> None:
    editor = world.editor()
    key = new(editor)
    world.adapter.chunk("alpha-1", "x")
    editor.leave()
    world.later(40)
    world.later(1000)
    assert world.adapter.stopped
    world.adapter.die()
    editor = world.editor()
    editor.done("session/load", sessionId=key, cwd="/p", mcpServers=[])
    assert world.adapter.sent("session/resume")


def test_a_fork_has_the_history(world: World) -> None:
    world.scripts["session/fork"] = lambda *_: {"result": {"sessionId": "twin"}}
    editor = world.editor()
    key = new(editor)
    world.adapter.chunk("alpha-1", "past")
    twin = editor.done("session/fork", sessionId=key, cwd="/p", mcpServers=[])["sessionId"]
    world.adapter.chunk("twin", "own")
    assert editor.text(twin) == "own"
    editor.leave()
    editor = world.editor()
    editor.done("session/load", sessionId=twin, cwd="/p", mcpServers=[])
    assert editor.text(twin) == "pastown"


QUESTION = HostQuestion(
    "q1", "Reach pypi.test?", "pip asks", (("once", "Once", "allow_once"), ("deny", "Deny", "reject_once"))
)


def test_the_hosts_question_is_asked_where_the_turn_is(world: World) -> None:
    idle, editor = world.editor(), world.editor()
    new(idle)
    key = new(editor)
    world.conductor.host_asked(QUESTION)
    assert editor.questions() == []
    editor.prompt(key)
    [question] = editor.questions()
    assert question["params"]["toolCall"]["toolCallId"].startswith(RESERVED_PREFIX)
    assert [option["kind"] for option in question["params"]["options"]][-1] == "reject_once"
    assert editor.updates(key, "tool_call")[0]["toolCallId"] == question["params"]["toolCall"]["toolCallId"]
    editor.answer(question["id"], {"outcome": {"outcome": "selected", "optionId": "once"}})
    editor.answer(question["id"], {"outcome": {"outcome": "selected", "optionId": "deny"}})
    assert world.decided == [("q1", "once")]
    assert world.adapter.answers() == []
    assert idle.questions() == []


def test_the_hosts_question_is_taken_back_when_it_is_answered_elsewhere(world: World) -> None:
    editor = world.editor()
    editor.prompt(new(editor))
    world.conductor.host_asked(QUESTION)
    [question] = editor.questions()
    world.conductor.host_question_over("q1")
    assert [f["params"]["requestId"] for f in editor.pull() if f.get("method") == "$/cancel_request"] == [
        question["id"]
    ]
    editor.answer(question["id"], {"outcome": {"outcome": "selected", "optionId": "once"}})
    assert world.decided == []


def test_an_answer_that_is_none_of_the_choices_decides_nothing(world: World) -> None:
    editor = world.editor()
    key = new(editor)
    editor.prompt(key)
    world.conductor.host_asked(QUESTION)
    [question] = editor.questions()
    editor.answer(question["id"], {"outcome": {"outcome": "selected", "optionId": "everything"}})
    assert world.decided == []
    editor.prompt(key)
    assert len(editor.questions()) == 2


def test_an_agent_cannot_imitate_the_host(world: World) -> None:
    editor = world.editor()
    key = new(editor)
    world.adapter.update("alpha-1", sessionUpdate="tool_call", toolCallId=f"{RESERVED_PREFIX}q1", title="t")
    assert not editor.updates(key, "tool_call")[0]["toolCallId"].startswith(RESERVED_PREFIX)


def test_usage_is_told_with_what_the_vault_has_metered(world: World) -> None:
    editor = world.editor()
    key = new(editor)
    world.conductor.spent(1.25)
    world.adapter.update(
        "alpha-1", sessionUpdate="usage_update", used=5, size=10, cost={"amount": 0, "currency": "EUR"}
    )
    assert editor.updates(key, "usage_update")[0]["cost"] == {"amount": 1.25, "currency": "USD"}


SESSIONS = {**ABLE["agentCapabilities"]["sessionCapabilities"], "list": {}}
LISTING = {**ABLE, "agentCapabilities": {**ABLE["agentCapabilities"], "sessionCapabilities": SESSIONS}}


def test_sessions_begun_elsewhere_are_listed_and_loaded(world: World) -> None:
    known = {"sessionId": "alpha-1", "cwd": "/workspace"}
    other = {"sessionId": "theirs", "cwd": "/workspace/sub", "title": "in the terminal", "updatedAt": "2026-01-01"}
    outside = {"sessionId": "x", "cwd": "/etc"}
    world.scripts["initialize"] = lambda *_: {"result": LISTING}
    world.scripts["session/list"] = lambda *_: {"result": {"sessions": [known, other, outside, 5, {"sessionId": 7}]}}

    def history(adapter: Adapter, frame: dict) -> dict:
        adapter.chunk(frame["params"]["sessionId"], "of old")
        return {"result": MODELS}

    world.scripts["session/load"] = history
    editor = world.editor()
    key = new(editor, "/home/me/p")
    for _ in range(2):
        listed = editor.done("session/list", cwd="/home/me/p")["sessions"]
        assert [entry["sessionId"] for entry in listed] == [key]
        listed = editor.done("session/list")["sessions"]
        assert len(listed) == 2
    [theirs] = [entry for entry in listed if entry["sessionId"] != key]
    assert (theirs["cwd"], theirs["title"]) == ("/home/me/p/sub", "in the terminal")
    number = editor.call("session/load", sessionId=theirs["sessionId"], cwd="/home/me/p/sub", mcpServers=[])
    assert editor.reply(number) is not None
    assert editor.text(theirs["sessionId"]) == "of old"
    world.adapter.chunk("theirs", " and new")
    assert editor.text(theirs["sessionId"]) == "of old and new"


def test_a_history_that_is_told_again_is_told_to_nobody(world: World) -> None:
    def history(adapter: Adapter, frame: dict) -> dict:
        adapter.chunk(frame["params"]["sessionId"], "past")
        return {"result": MODELS}

    refuse = {"error": {"code": -32603, "message": "unknown"}}
    world.scripts |= {"session/resume": lambda *_: refuse, "session/load": history}
    editor = world.editor()
    key = new(editor)
    world.adapter.chunk("alpha-1", "past")
    world.adapter.die()
    editor.prompt(key)
    world.adapter.chunk("alpha-1", "; now")
    assert editor.text(key) == "past; now"


def test_an_editor_that_was_behind_is_asked_once(world: World) -> None:
    editor = world.editor()
    key = new(editor)
    editor.prompt(key)
    editor.pull()
    world.adapter.ask("alpha-1", 1)
    for _ in range(10_000):
        world.adapter.chunk("alpha-1", "x" * 300)
    world.adapter.ask("alpha-1", 2)
    assert len(editor.questions()) == 2
