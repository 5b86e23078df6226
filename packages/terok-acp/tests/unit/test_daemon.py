"""A real daemon, real adapters as processes of this host, and the editor's process between pipes."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from acp_world import Roster, Spec
from terok_acp.conductor.state import Settings
from terok_acp.daemon.server import Daemon
from terok_acp.endpoint import acp_socket_is_live, listening
from terok_acp.errors import EndpointBusy, EndpointError
from terok_acp.sessions.table import SessionTable

BACKEND = Path(__file__).with_name("acp_backend.py")


class LocalAdapter:
    """What stands for an adapter in a container: the same program, here."""

    def __init__(self, spec: Spec, state: Path) -> None:
        self.spec, self.state = spec, state
        self.ended: Future[int] = Future()

    def start(self) -> socket.socket:
        ours, theirs = socket.socketpair()
        ours.setblocking(False)
        env = {**os.environ, "ACP_BACKEND_NAME": self.spec.agent, "ACP_BACKEND_STATE": str(self.state)}
        with theirs:
            self.process = subprocess.Popen([sys.executable, BACKEND], stdin=theirs, stdout=theirs, env=env)
        threading.Thread(target=lambda: self.ended.set_result(self.process.wait()), daemon=True).start()
        return ours

    def log_tail(self) -> str:
        return "its last words"

    def stop(self) -> None:
        self.process.terminate()
        self.ended.result(5)


class Served:
    """A daemon in a thread of this process."""

    def __init__(self, place: Path, *agents: str) -> None:
        self.place, self.agents = place, agents
        self.path = place / "acp.sock"
        self.started: list[LocalAdapter] = []
        self.guest = subprocess.Popen(["sleep", "600"])
        self.begin()

    def begin(self) -> None:
        ready = threading.Event()
        self.thread = threading.Thread(target=self._run, args=(ready,), daemon=True)
        self.thread.start()
        assert ready.wait(10)

    def _run(self, ready: threading.Event) -> None:
        roster = Roster(*self.agents)

        def make(agent: str) -> LocalAdapter:
            self.started.append(LocalAdapter(roster.agents()[self.agents.index(agent)], self.place))
            return self.started[-1]

        async def run(listener: socket.socket, table: SessionTable) -> None:
            daemon = Daemon(Settings("box", "0"), roster=roster, make=make, table=table, signals=False)
            ready.set()
            await daemon.run(listener, self.guest.pid)

        with listening(self.path) as listener:
            table = SessionTable(self.place / "state")
            asyncio.run(run(listener, table))
            table.close()

    def end(self) -> None:
        self.guest.kill()
        self.guest.wait()
        self.thread.join(20)
        assert not self.thread.is_alive()


class Connected:
    """An editor: `terok-acp connect` as a process."""

    def __init__(self, path: Path) -> None:
        argv = [sys.executable, "-P", "-m", "terok_acp", "connect", "box", "--socket", str(path)]
        self.process = subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.got: list[dict[str, Any]] = []
        self.replies: dict[Any, dict[str, Any]] = {}
        self.ids = 0
        assert self.done("initialize", protocolVersion=1, clientCapabilities={})["protocolVersion"] == 1

    def send(self, frame: dict[str, Any]) -> None:
        assert self.process.stdin
        self.process.stdin.write(json.dumps({"jsonrpc": "2.0", **frame}).encode() + b"\n")
        self.process.stdin.flush()

    def call(self, method: str, **params: Any) -> int:
        self.ids += 1
        self.send({"id": self.ids, "method": method, "params": params})
        return self.ids

    def next(self) -> dict[str, Any]:
        assert self.process.stdout
        frame = json.loads(self.process.stdout.readline())
        self.got.append(frame)
        if "method" not in frame:
            self.replies[frame["id"]] = frame
        return frame

    def reply(self, number: int) -> dict[str, Any]:
        while number not in self.replies:
            self.next()
        return self.replies[number]

    def done(self, method: str, **params: Any) -> dict[str, Any]:
        reply = self.reply(self.call(method, **params))
        assert "result" in reply, reply
        return reply["result"]

    def new(self) -> str:
        return self.done("session/new", cwd="/home/me/p", mcpServers=[])["sessionId"]

    def prompt(self, key: str, text: str) -> int:
        return self.call("session/prompt", sessionId=key, prompt=[{"type": "text", "text": text}])

    def asked(self) -> dict[str, Any]:
        while True:
            for frame in self.got:
                if "id" in frame and "method" in frame:
                    self.got.remove(frame)
                    return frame
            self.next()

    def text(self, key: str, kind: str = "agent_message_chunk") -> str:
        params = [frame["params"] for frame in self.got if frame.get("method") == "session/update"]
        updates = [one["update"] for one in params if one["sessionId"] == key]
        return "".join(one["content"]["text"] for one in updates if one["sessionUpdate"] == kind)

    def close(self) -> None:
        assert self.process.stdin
        assert self.process.stdout
        self.process.stdin.close()
        self.process.wait(10)
        self.process.stdout.close()


@pytest.fixture
def served(tmp_path: Path) -> Iterator[Served]:
    one = Served(tmp_path, "alpha", "beta")
    yield one
    one.end()


@pytest.fixture
def editor(served: Served) -> Iterator[Connected]:
    one = Connected(served.path)
    yield one
    one.close()


def test_two_agents_in_one_connection(editor: Connected) -> None:
    first, second = editor.new(), editor.new()
    editor.done("session/set_config_option", sessionId=second, configId="model", value="beta:large:v1")
    prompts = [editor.prompt(first, "say one;ask;memory"), editor.prompt(second, "say two;say three")]
    assert editor.reply(prompts[1])["result"] == {"stopReason": "end_turn"}
    question = editor.asked()
    assert question["params"]["sessionId"] == first
    editor.send({"id": question["id"], "result": {"outcome": {"outcome": "selected", "optionId": "go"}}})
    assert editor.reply(prompts[0])["result"] == {"stopReason": "end_turn"}
    assert (editor.text(first), editor.text(second)) == ("onego0 prompts", "twothree")


def test_a_flood_arrives_whole_and_in_order(editor: Connected) -> None:
    key = editor.new()
    assert editor.reply(editor.prompt(key, "flood 20000"))["result"] == {"stopReason": "end_turn"}
    pieces = editor.text(key).split("." * 100)[:-1]
    assert [int(piece) for piece in pieces] == list(range(20_000))


def test_a_killed_adapter_is_followed_by_another(served: Served, editor: Connected) -> None:
    key = editor.new()
    editor.reply(editor.prompt(key, "say before"))
    reply = editor.reply(editor.prompt(key, "die"))
    assert "its last words" in reply["error"]["data"]["details"]
    editor.reply(editor.prompt(key, "memory"))
    assert editor.text(key) == "before1 prompts"
    assert len(served.started) == 2


def test_an_editor_is_killed_in_a_turn(served: Served) -> None:
    first = Connected(served.path)
    key = first.new()
    first.prompt(key, "say a;ask;say b")
    first.asked()
    first.process.kill()
    first.close()
    second = Connected(served.path)
    second.done("session/load", sessionId=key, cwd="/home/me/p", mcpServers=[])
    question = second.asked()
    second.send({"id": question["id"], "result": {"outcome": {"outcome": "selected", "optionId": "no"}}})
    second.reply(second.prompt(key, "say c"))
    assert second.text(key) == "anobc"
    second.close()


def test_a_daemon_that_ends_is_no_end_for_the_editor(served: Served, editor: Connected) -> None:
    key = editor.new()
    editor.reply(editor.prompt(key, "say one"))
    hanging = editor.prompt(key, "ask")
    question = editor.asked()
    served.end()
    assert editor.reply(hanging)["error"]["code"] == -32603
    served.guest = subprocess.Popen(["sleep", "600"])
    served.begin()
    editor.send({"id": question["id"], "result": {"outcome": {"outcome": "selected", "optionId": "go"}}})
    editor.reply(editor.prompt(key, "memory"))
    assert editor.text(key).startswith("one")
    assert editor.text(key).endswith("1 prompts")


def test_bad_lines_cost_a_line(editor: Connected) -> None:
    assert editor.process.stdin
    for line in (b"[1]", b"{", b"5", b'{"id":1}', b'{"jsonrpc":"2.0","id":7,"method":"terminal/create"}'):
        editor.process.stdin.write(line + b"\n")
    editor.process.stdin.flush()
    codes = [editor.next()["error"]["code"] for _ in range(5)]
    assert codes == [-32600, -32700, -32600, -32600, -32601]
    assert editor.new()


def test_one_daemon_per_socket_and_a_stale_socket_is_replaced(served: Served, tmp_path: Path) -> None:
    assert acp_socket_is_live(served.path)
    assert served.path.stat().st_mode & 0o777 == 0o600
    with pytest.raises(EndpointBusy), listening(served.path):
        pass
    stale = tmp_path / "stale.sock"
    left = socket.socket(socket.AF_UNIX)
    left.bind(str(stale))
    left.close()
    assert not acp_socket_is_live(stale)
    with listening(stale):
        assert stale.exists()
    assert not stale.exists()
    stale.write_text("mine")
    with pytest.raises(EndpointError, match="no socket"), listening(stale):
        pass
    assert stale.read_text() == "mine"


def test_the_end_of_the_container_is_the_daemons(served: Served, editor: Connected) -> None:
    key = editor.new()
    hanging = editor.prompt(key, "wait")
    served.guest.send_signal(signal.SIGKILL)
    served.thread.join(20)
    assert not served.path.exists()
    assert "error" in editor.reply(hanging)
