"""Attacks through frames, each with its id and the rule of the protocol sheet that refuses it.

The judge knows nothing of the wall's ways: whatever leaves for an editor must name no file outside of the session's
directory where an editor acts on it, start nothing, fetch nothing, and bear no id of ours.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from terok_acp.daemon.host_rules import links_below
from terok_acp.wall.capabilities import AUTH_METHODS, agent_capabilities, client_capabilities
from terok_acp.wall.frames import error_to_editor, result_to_container, result_to_editor, to_container, to_editor
from terok_acp.wall.markdown import ImageGuard
from terok_acp.wall.methods import passes_in, passes_out
from terok_acp.wall.paths import Roots
from terok_acp.wall.rules import Answered, Passed, Refused, Rules

ROOTS = Roots("/home/u/proj", "/workspace")
RULES = Rules()
OUTSIDE = ["/etc/passwd", "/workspace/../etc/passwd", "/workspace2/x", "x", "/workspace//x", "/workspace\\..\\x", "/"]


def acting(value: Any, key: str = "") -> Iterator[str]:
    """Yield every text that an editor opens, writes or loads: paths and addresses, wherever they stand."""
    if isinstance(value, dict):
        for name, item in value.items():
            no_link = name == "uri" and value.get("type") == "text"  # a field that the protocol does not know there
            if name not in {"_meta", "rawInput", "rawOutput"} and not no_link:
                yield from acting(item, name)
    elif isinstance(value, list):
        for item in value:
            yield from acting(item, key)
    elif isinstance(value, str) and key in {"path", "uri", "url", "cwd"}:
        yield value


def harmless(text: str) -> bool:
    if text.startswith(("attachment:///", "http://", "https://")):
        return True
    path = text.removeprefix("file://")
    return (path + "/").startswith("/home/u/proj/") and "/../" not in path + "/"


def judge(sent: Any) -> None:
    assert all(map(harmless, acting(sent))), sent
    text = json.dumps(sent)
    assert '"terminal-auth"' not in text and '"type": "terminal"' not in text and '"toolCallId": "terok:' not in text


def update(kind: str, /, **fields: Any) -> dict[str, Any]:
    return {"sessionId": "s", "update": {"sessionUpdate": kind, **fields}}


def call(**fields: Any) -> dict[str, Any]:
    return update("tool_call", **{"toolCallId": "1", "title": "edit", **fields})


def chunk(block: dict[str, Any]) -> dict[str, Any]:
    return update("agent_message_chunk", content=block)


def outward(method: str, params: Any) -> Any:
    before = copy.deepcopy(params)
    sent = to_editor(method, params, ROOTS, RULES, ImageGuard())
    assert params == before, "the frame itself was changed"
    if isinstance(sent, dict):
        judge(sent)
    return sent


def sent_update(params: dict[str, Any]) -> dict[str, Any]:
    sent = outward("session/update", params)
    assert isinstance(sent, dict)
    shown: dict[str, Any] = sent["update"]
    return shown


@pytest.mark.attack("ACP-1")  # R19
@pytest.mark.parametrize("path", OUTSIDE)
def test_a_location_outside_leads_nowhere(path: str) -> None:
    shown = sent_update(call(locations=[{"path": path, "line": 3}, {"path": "/workspace/a"}, 5, {}]))
    assert shown["locations"] == [{"path": "/home/u/proj/a"}]


@pytest.mark.attack("ACP-2")  # R19
@pytest.mark.parametrize("path", [*OUTSIDE, None, 5])
def test_a_diff_outside_is_text(path: object) -> None:
    (part,) = sent_update(call(content=[{"type": "diff", "path": path, "newText": "x" * 30_000}]))["content"]
    assert part["type"] == "content" and len(part["content"]["text"]) < 25_000


@pytest.mark.attack("ACP-3")  # R18
def test_a_directory_whose_name_begins_alike_is_outside() -> None:
    diffs = [{"type": "diff", "path": path, "newText": ""} for path in ("/workspace-x/a", "/workspace/a")]
    assert [part["type"] for part in sent_update(call(content=diffs))["content"]] == ["content", "diff"]


@pytest.mark.attack("ACP-4")  # R19, R23
@pytest.mark.parametrize(
    "uri",
    [
        "file:///etc/passwd",
        "file:///workspace/%2e%2e/etc/passwd",
        "file:///workspace/a%2f..%2f..%2fetc",
        "file://attacker.example/share/x",
        "file:/etc/passwd",
        "FILE:///etc/passwd",
        "\\\\attacker\\share",
        "/etc/passwd",
        None,
        7,
    ],
)
def test_a_link_to_a_file_outside_is_text(uri: object) -> None:
    block = sent_update(chunk({"type": "resource_link", "uri": uri, "name": "notes"}))["content"]
    assert block["type"] == "text" and block["text"].startswith("notes (")


@pytest.mark.attack("ACP-5")  # R23
@pytest.mark.parametrize(
    "uri", ["vscode://x/y?cmd=1", "zed://ssh/host", "javascript:alert(1)", "data:text/html,x", "tel:1"]
)
def test_a_link_with_a_scheme_that_starts_programs_is_text(uri: str) -> None:
    assert sent_update(chunk({"type": "resource_link", "uri": uri, "name": "x"}))["content"]["type"] == "text"


@pytest.mark.attack("ACP-6")  # R19
def test_an_attached_file_and_a_picture_name_no_file_of_the_host() -> None:
    resource = {"uri": "file:///home/u/.ssh/config", "text": "Host *"}
    block = sent_update(chunk({"type": "resource", "resource": resource}))["content"]
    assert block["resource"] == {"uri": "attachment:///config", "text": "Host *"}
    picture = {"type": "image", "data": "", "mimeType": "image/png", "uri": "https://e.example/track.png"}
    assert "uri" not in sent_update(chunk(picture))["content"]


@pytest.mark.attack("ACP-7")  # R23
def test_text_in_any_place_loads_no_picture() -> None:
    text = "![x](https://e.example/?q=secret)"
    texts = [
        sent_update(chunk({"type": "text", "text": text}))["content"]["text"],
        sent_update(call(content=[{"type": "content", "content": {"type": "text", "text": text}}]))["content"][0][
            "content"
        ]["text"],
        sent_update(call(title=text))["title"],
        sent_update(update("plan", entries=[{"content": text, "priority": "low", "status": "pending"}, 5]))["entries"][
            0
        ]["content"],
        sent_update(update("notice", severity="info", title="t", description=text))["description"],
        outward("elicitation/create", {"mode": "form", "message": text, "requestedSchema": {}})["message"],
    ]
    parser = MarkdownIt("commonmark")
    assert not any(
        part.type == "image" for one in texts for token in parser.parse(one) for part in token.children or []
    )


@pytest.mark.attack("ACP-8")  # R23
def test_a_picture_in_pieces_is_none_either() -> None:
    guard, shown = ImageGuard(), ""
    for piece in ["!", "[x]", "(", "https://e.example/?q=secret", ")"]:
        sent = to_editor("session/update", chunk({"type": "text", "text": piece}), ROOTS, RULES, guard)
        assert isinstance(sent, dict)
        shown += sent["update"]["content"]["text"]
    assert shown == "![x] (https://e.example/?q=secret)"


@pytest.mark.attack("ACP-9")  # R21
@pytest.mark.parametrize("meta", [{}, {"_meta": {"terminal_info": {"cwd": "/"}}}, {"_meta": 5}])
def test_a_terminal_of_the_agent_is_text_for_an_editor_that_shows_none(meta: dict[str, Any]) -> None:
    (part,) = sent_update(call(content=[{"type": "terminal", "terminalId": "editor-1"}], **meta))["content"]
    assert part["content"]["type"] == "text"


@pytest.mark.attack("ACP-10")  # R21: without its own stream, the id might be one of the editor's terminals
def test_a_terminal_id_passes_only_beside_the_agent_s_own_stream() -> None:
    rules, params = Rules(terminal_output=True), call(content=[{"type": "terminal", "terminalId": "t"}])
    sent = to_editor("session/update", params, ROOTS, rules)
    assert isinstance(sent, dict) and sent["update"]["content"][0]["type"] == "content"
    params["update"]["_meta"] = {"terminal_info": {"terminal_id": "t"}}
    assert to_editor("session/update", params, ROOTS, rules) is params


@pytest.mark.attack("ACP-11")  # R20
@pytest.mark.parametrize("method", ["fs/read_text_file", "fs/write_text_file"])
@pytest.mark.parametrize("path", ["/workspace/link-to-etc", "/etc/shadow", "/workspace/a"])
def test_no_file_of_the_host_is_read_or_written(method: str, path: str) -> None:
    sent = outward(method, {"sessionId": "s", "path": path, "content": ""})
    assert isinstance(sent, Refused) and sent.code == -32601


@pytest.mark.attack("ACP-12")  # R21
@pytest.mark.parametrize("verb", ["create", "output", "wait_for_exit", "kill", "release"])
def test_no_command_runs_in_the_editor_s_terminal(verb: str) -> None:
    assert isinstance(outward(f"terminal/{verb}", {"sessionId": "s", "command": "sh"}), Refused)


@pytest.mark.attack("ACP-13")  # R23
@pytest.mark.parametrize(
    "method", ["_zed/run_task", "mcp/message", "session/prompt", "initialize", "authenticate", "", 5, None]
)
def test_no_other_method_reaches_an_editor(method: Any) -> None:
    assert isinstance(outward(method, {"sessionId": "s"}), Refused) and not passes_out(method)


@pytest.mark.attack("ACP-14")  # R16
def test_a_backend_s_signing_in_is_never_told() -> None:
    assert isinstance(outward("_auth/status_update", {"url": "https://e.example"}), Refused)
    raw = {
        "authMethods": [{"type": "terminal", "id": "x", "args": ["--login"]}],
        "_meta": {"terminal-auth": {"command": "/w/sh"}, "k": 1},
    }
    assert result_to_editor(raw) == {"_meta": {"k": 1}}
    error = {
        "code": -32000,
        "message": "sign in",
        "data": {"authMethods": raw["authMethods"], "details": "no\x1b[2J key"},
    }
    assert error_to_editor(error) == {"code": -32000, "message": "sign in", "data": {"details": "no\\x1b[2J key"}}


@pytest.mark.attack("ACP-15")  # R16
def test_the_one_way_to_sign_in_runs_no_command() -> None:
    (method,) = AUTH_METHODS
    assert set(method) == {"id", "name", "description"} and method["id"] == "terok"


@pytest.mark.attack("ACP-16")  # R14, R20, R21
def test_a_backend_hears_of_nothing_that_acts_on_the_host() -> None:
    announced = {
        "fs": {"readTextFile": True, "writeTextFile": True},
        "terminal": True,
        "auth": {"terminal": True},
        "subagents": {},
        "plan": {},
        "elicitation": {"form": {}, "url": {}},
        "_meta": {"terminal_output": True, "terminal-auth": True, "x": 1},
    }
    told = client_capabilities(announced)
    assert told == {"elicitation": {"form": {}, "url": {}}, "_meta": {"terminal_output": True}}
    assert client_capabilities(5) == {} and client_capabilities({"_meta": {"terminal_output": "yes"}}) == {}


@pytest.mark.attack("ACP-17")  # R15, R16
def test_an_editor_hears_of_no_way_round_the_vault() -> None:
    raw = {
        "loadSession": True,
        "auth": {"logout": {}},
        "providers": {},
        "mcpCapabilities": {"http": True, "acp": True},
        "_meta": {"x": 1},
    }
    assert agent_capabilities(raw) == {"loadSession": True, "mcpCapabilities": {"http": True}}


@pytest.mark.attack("ACP-18")  # R24
@pytest.mark.parametrize("forged", ["terok:7", "terok:terok:7", "terok:" * 50 + "7", "terok:"])
def test_no_agent_s_tool_has_an_id_of_ours(forged: str) -> None:
    assert not sent_update(call(toolCallId=forged))["toolCallId"].startswith("terok:")
    params = {
        "toolCall": {"toolCallId": forged},
        "options": [{"optionId": "a", "name": "A\u202eB", "kind": "allow_once"}, 5],
    }
    sent = outward("session/request_permission", params)
    assert not sent["toolCall"]["toolCallId"].startswith("terok:") and sent["options"][0]["name"] == "A\\u202eB"


@pytest.mark.attack("ACP-19")  # R19
def test_a_permission_request_shows_no_diff_outside() -> None:
    sent = outward(
        "session/request_permission",
        {
            "toolCall": {
                "toolCallId": "1",
                "content": [{"type": "diff", "path": "/root/.bashrc", "newText": "x"}],
                "locations": [{"path": "/root"}],
            },
            "options": [],
        },
    )
    assert sent["toolCall"]["locations"] == [] and sent["toolCall"]["content"][0]["type"] == "content"


@pytest.mark.attack("ACP-20")  # R23
@pytest.mark.parametrize("mode", ["url", "URL", "_own", None, 5])
def test_no_address_is_opened_and_all_of_it_is_shown(mode: object) -> None:
    sent = outward(
        "elicitation/create",
        {"mode": mode, "url": "https://good.example@evil.example/\x1b[0m" + "a" * 1000, "message": "m"},
    )
    assert isinstance(sent, Answered) and sent.result == {"action": "decline"}
    assert "good.example@evil.example/\\x1b[0m" + "a" * 1000 in sent.notices[0]


@pytest.mark.attack("ACP-21")  # R23
def test_titles_and_names_are_one_safe_line() -> None:
    evil = "a\x1b]52;c;x\x07\nb\u202e"
    shown = [
        sent_update(call(title=evil))["title"],
        sent_update(update("session_info_update", title=evil))["title"],
        sent_update(update("available_commands_update", availableCommands=[{"name": evil, "description": evil}, 5]))[
            "availableCommands"
        ][0]["name"],
        sent_update(update("notice", severity="info", title=evil))["title"],
        error_to_editor({"code": "x", "message": evil})["message"],
    ]
    assert all(text.isprintable() for text in shown)
    assert error_to_editor(None) == {"code": -32603, "message": "the agent gave no reason"}


@pytest.mark.attack("ACP-22")  # R19
@pytest.mark.parametrize("method", ["session/new", "session/load", "session/resume", "session/fork"])
@pytest.mark.parametrize("cwd", ["/", "/etc", "/home/u", "/home/u/proj/..", "proj", "/home/u/proj2", None])
def test_a_session_begins_only_in_its_directory(method: str, cwd: object) -> None:
    got = to_container(method, {"cwd": cwd, "mcpServers": []}, ROOTS, RULES)
    assert isinstance(got, Refused) and got.code == -32602


@pytest.mark.attack("ACP-23")  # R18
def test_more_directories_are_mapped_or_left_out() -> None:
    params = {"cwd": "/home/u/proj", "additionalDirectories": ["/home/u/proj/a", "/etc", 5], "mcpServers": []}
    got = to_container("session/new", params, ROOTS, RULES)
    assert isinstance(got, Passed) and got.params["additionalDirectories"] == ["/workspace/a"] and len(got.notices) == 2
    assert got.params["cwd"] == "/workspace"


@pytest.mark.attack("ACP-24")  # R7, R18
def test_nothing_in_meta_reaches_a_backend() -> None:
    meta = {"session_id": "OTHER", "sessionId": "OTHER", "claudeCode": {"options": {}}, "traceparent": "00-1"}
    for params in ({"sessionId": "s", "prompt": [{"type": "text", "text": "x", "_meta": meta}], "_meta": meta},):
        got = to_container("session/prompt", params, ROOTS, RULES)
        assert isinstance(got, Passed) and "OTHER" not in json.dumps(got.params)
        assert got.params["_meta"] == {"traceparent": "00-1"} and params["_meta"] is meta
    assert result_to_container({"outcome": {"outcome": "cancelled"}, "_meta": meta})["_meta"] == {"traceparent": "00-1"}
    assert result_to_container([]) == {}


@pytest.mark.attack("ACP-57")  # R7: one SDK lets these replace the arguments that the wall has looked at
def test_meta_replaces_no_argument_of_an_editor_s_handlers() -> None:
    for method, params, forged in (
        ("session/update", chunk({"type": "text", "text": "x"}), {"session_id": "other", "update": {"path": "/etc"}}),
        (
            "session/request_permission",
            {"sessionId": "s", "toolCall": {"toolCallId": "1"}, "options": []},
            {"session_id": "other", "tool_call": {}, "options": []},
        ),
        (
            "elicitation/create",
            {"sessionId": "s", "mode": "form", "message": "m", "requestedSchema": {}},
            {"message": "password?", "mode": {"url": "file:///etc"}},
        ),
    ):
        assert outward(method, params | {"_meta": forged | {"claudeCode": {}}})["_meta"] == {"claudeCode": {}}
        assert outward(method, same := params | {"_meta": {"claudeCode": {}}}) is same
        assert "_meta" not in outward(method, params | {"_meta": 5})


@pytest.mark.attack("ACP-25")  # R19
def test_a_prompt_tells_a_container_no_place_of_the_host() -> None:
    blocks = [
        {"type": "resource_link", "uri": "file:///home/u/secret-project/x.py", "name": "x.py"},
        {"type": "resource_link", "uri": "zed:///agent/file?path=/home/u/secret-project", "name": "thread"},
        {"type": "resource", "resource": {"uri": "file:///home/u/secret-project/y.py", "text": "print()"}},
        {"type": "image", "data": "", "mimeType": "image/png", "uri": "file:///home/u/secret-project/z.png"},
        5,
    ]
    for rules in (Rules(images=True, embedded=True), Rules()):
        got = to_container("session/prompt", {"prompt": blocks}, ROOTS, rules)
        assert isinstance(got, Passed) and "secret-project" not in json.dumps([got.params, got.notices])
        assert "print()" in json.dumps(got.params) and len(got.params["prompt"]) == 4


@pytest.mark.attack("ACP-26")  # R16
@pytest.mark.parametrize(
    "method",
    [
        "authenticate",
        "logout",
        "auth/login",
        "providers/set",
        "providers/list",
        "mcp/message",
        "_claude/x",
        "fs/read_text_file",
        "session/update",
        "proxy/initialize",
        "",
        None,
    ],
)
def test_no_other_method_reaches_a_backend(method: Any) -> None:
    got = to_container(method, {}, ROOTS, RULES)
    assert isinstance(got, Refused) and got.code == -32601 and not passes_in(method)


@pytest.mark.attack("ACP-27")  # R22
def test_a_session_gets_no_server_that_nobody_allowed() -> None:
    servers = [
        {"name": "a", "command": "/bin/sh", "args": ["-c", "x"], "env": []},
        {"type": "http", "name": "b", "url": "http://127.1/", "headers": []},
    ]
    got = to_container("session/new", {"cwd": "/home/u/proj", "mcpServers": servers}, ROOTS, RULES)
    assert isinstance(got, Passed) and got.params["mcpServers"] == [] and len(got.notices) == 2


@pytest.mark.attack("ACP-28")  # R1, R30
@pytest.mark.parametrize("params", [None, 5, [], "x", {}, {"update": 5}, {"update": None}, {"update": []}])
def test_an_update_without_its_object_is_dropped(params: Any) -> None:
    assert to_editor("session/update", params, ROOTS, RULES) is None


@pytest.mark.attack("ACP-29")  # R1
@pytest.mark.parametrize("params", [None, 5, [], "x"])
def test_params_that_are_not_an_object_stop_here(params: Any) -> None:
    assert isinstance(to_container("session/prompt", params, ROOTS, RULES), Refused)
    assert isinstance(to_editor("session/request_permission", params, ROOTS, RULES), Refused)


anything = st.none() | st.integers() | st.text(max_size=5) | st.just([]) | st.just({})
paths = st.sampled_from([*OUTSIDE, "/workspace/a", "/workspace", "/home/u/proj/a"]) | anything
uris = (
    paths.map(lambda path: f"file://{path}")
    | st.sampled_from(["https://e.example/", "vscode://x", "file://h/a"])
    | paths
)
words = st.text(max_size=5) | anything
resources = st.fixed_dictionaries({}, optional={"uri": uris, "text": words, "blob": words}) | anything
blocks = anything | st.fixed_dictionaries(
    {"type": st.sampled_from(["text", "image", "audio", "resource", "resource_link", "new"]) | anything},
    optional={"uri": uris, "name": words, "text": words, "data": words, "mimeType": words, "resource": resources},
)
parts = anything | st.fixed_dictionaries(
    {"type": st.sampled_from(["content", "diff", "terminal", "new"]) | anything},
    optional={"content": blocks, "path": paths, "newText": words, "uri": uris, "terminalId": words},
)
locations = anything | st.lists(
    st.fixed_dictionaries({}, optional={"path": paths, "line": anything}) | anything, max_size=3
)
metas = anything | st.just({"terminal_info": {}, "terminal-auth": {"command": "x"}})
tool_calls = st.fixed_dictionaries(
    {"toolCallId": st.sampled_from(["1", "terok:1"]) | anything, "title": words},
    optional={
        "locations": locations,
        "content": st.lists(parts, max_size=3) | anything,
        "kind": words,
        "status": words,
    },
)
KINDS = ["agent_message_chunk", "agent_thought_chunk", "user_message_chunk", "compaction_summary_chunk"]


@pytest.mark.attack("ACP-30")  # R18, R19, R21, R23, R24
@given(st.sampled_from(["tool_call", "tool_call_update"]), tool_calls)
def test_no_tool_call_of_any_shape_acts_on_the_host(kind: str, fields: dict[str, Any]) -> None:
    outward("session/update", update(kind, **fields))
    outward("session/request_permission", {"toolCall": fields, "options": []})


@pytest.mark.attack("ACP-31")  # R19, R23
@given(st.sampled_from(KINDS), blocks)
def test_no_chunk_of_any_shape_acts_on_the_host(kind: str, block: Any) -> None:
    outward("session/update", update(kind, content=block, compactionId="c"))


@pytest.mark.attack("ACP-33")  # R18, R19
@given(st.lists(blocks, max_size=4), st.booleans())
def test_no_prompt_of_any_shape_names_a_place_outside(prompt: list[Any], takes: bool) -> None:
    got = to_container("session/prompt", {"prompt": prompt}, ROOTS, Rules(images=takes, audio=takes, embedded=takes))
    assert isinstance(got, Passed)
    for text in acting(got.params):
        path = text.removeprefix("file://")
        assert text.startswith(("https://", "attachment:///")) or (path + "/").startswith("/workspace/"), text


@pytest.mark.attack("ACP-32")  # R30: depth is refused before; width and length cost no more than they weigh
def test_a_giant_update_is_only_looked_at_once() -> None:
    calls = call(
        locations=[{"path": "/etc/x"}] * 50_000, content=[{"type": "diff", "path": "/x", "newText": "y"}] * 5_000
    )
    assert sent_update(calls)["locations"] == []
    assert sent_update(chunk({"type": "text", "text": "[" * 200_000 + "](" * 100_000}))["content"]["text"].startswith(
        "[["
    )


@pytest.mark.attack("ACP-58")  # R19, R20
def test_no_path_through_a_link_of_the_agent_s_is_opened_or_written(tmp_path: Path) -> None:
    place, secret = tmp_path / "proj", tmp_path / "secret"
    (place / "sub").mkdir(parents=True)
    secret.mkdir()
    (place / "out").symlink_to(secret)
    (place / "sub/up").symlink_to("../../secret/key")
    (place / "dangling").symlink_to(secret / "new")
    (place / "sub/loop").symlink_to("loop")
    rules, roots = Rules(leads_out=links_below(str(place))), Roots(str(place), "/workspace")
    for name in ("out", "out/key", "out/new/deep", "sub/up", "dangling", "dangling/x", "sub/loop/x"):
        path = f"/workspace/{name}"
        link = {"type": "resource_link", "uri": f"file://{path}", "name": "n"}
        params = call(
            locations=[{"path": path}],
            content=[{"type": "diff", "path": path, "newText": "x"}, {"type": "content", "content": link}],
        )
        sent = to_editor("session/update", params, roots, rules)
        assert isinstance(sent, dict) and sent["update"]["locations"] == []
        assert [part["content"]["type"] for part in sent["update"]["content"]] == ["text", "text"]
    plain = [{"path": f"/workspace/{name}"} for name in ("sub", "sub/new", "new/deep/er", "outer")]
    sent = to_editor("session/update", call(locations=plain), roots, rules)
    assert isinstance(sent, dict) and len(sent["update"]["locations"]) == 4
    assert not links_below(str(place))(str(secret)) and links_below(str(place))(f"{place}/{'x' * 300}")


def test_what_is_harmless_passes_as_the_same_object() -> None:
    for params in (
        chunk({"type": "text", "text": "hello, `x[0]`"}),
        update("usage_update", used=1, size=2),
        update("_new_kind", anything=[1, {"path": "/etc"}]),
        call(
            locations=[],
            content=[{"type": "content", "content": {"type": "text", "text": "x"}}],
            rawInput={"path": "/etc"},
        ),
    ):
        assert to_editor("session/update", params, ROOTS, RULES, ImageGuard()) is params
    same = Roots("/w", "/w")
    params = call(locations=[{"path": "/w/a"}], content=[{"type": "diff", "path": "/w/a", "newText": ""}])
    assert to_editor("session/update", params, same, RULES) is params
    wanted = {"sessionId": "s", "prompt": [{"type": "text", "text": "hi"}]}
    assert to_container("session/prompt", wanted, ROOTS, RULES) == Passed(wanted)
    assert (
        to_editor("elicitation/create", form := {"mode": "form", "message": "m", "requestedSchema": {}}, ROOTS, RULES)
        is form
    )
