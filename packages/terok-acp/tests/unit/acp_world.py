"""A conductor with scripted adapters and editors, the real session table and transcripts; no process, no clock."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from acp_schema import violations
from terok_acp.conductor.conductor import Conductor
from terok_acp.conductor.state import Settings
from terok_acp.protocol.frames import Frame, is_request
from terok_acp.protocol.framing import FrameReader, encode
from terok_acp.sessions.table import SessionTable


@dataclass
class Quirks:
    replay_after_reply: bool = False
    share_process: bool = True
    resume_by: tuple[str, ...] = ("resume", "load")
    default_mode: str | None = None


@dataclass
class Spec:
    agent: str
    label: str
    quirks: Quirks = field(default_factory=Quirks)


@dataclass
class Offer:
    initialize: Frame
    session: Frame


MODELS = {
    "configOptions": [
        {
            "id": "m",
            "name": "Model",
            "category": "model",
            "type": "select",
            "currentValue": "one",
            "options": [{"value": "one", "name": "One"}, {"value": "two:2", "name": "Two"}],
        },
        {"id": "fast", "name": "Fast", "type": "boolean", "currentValue": False},
    ]
}
ABLE = {
    "protocolVersion": 1,
    "agentCapabilities": {
        "loadSession": True,
        "promptCapabilities": {"image": True},
        "sessionCapabilities": {"resume": {}, "close": {}, "fork": {}},
    },
}


class Roster:
    def __init__(self, *agents: str) -> None:
        self.specs = [Spec(agent, agent.title()) for agent in agents]
        self.offers: dict[str, Offer] = {}

    def agents(self) -> list[Spec]:
        return self.specs

    def offer(self, agent: str) -> Offer | None:
        return self.offers.get(agent)

    def learned(self, agent: str, initialize: Frame, session: Frame) -> None:
        self.offers[agent] = Offer(initialize, session)


@dataclass
class Adapter:
    """One started adapter: what it was sent, and its answers by method, where they are not the usual ones."""

    number: int
    agent: str
    world: World
    got: list[Frame] = field(default_factory=list)
    silent: set[str] = field(default_factory=set)
    stopped: bool = False
    asked: dict[Any, str] = field(default_factory=dict)

    def take(self, frame: Frame) -> None:
        assert violations(frame, self.asked) == []
        self.got.append(frame)
        method = frame.get("method")
        if is_request(frame) and method not in self.silent:
            script = self.world.scripts.get(f"{self.agent} {method}") or self.world.scripts.get(method)
            answer = script(self, frame) if script else USUAL.get(method, lambda *_: {})(self, frame)
            if answer is not None:
                self.say({"jsonrpc": "2.0", "id": frame["id"], **answer})

    def say(self, frame: Frame) -> None:
        if "method" in frame and "id" in frame:
            self.asked[frame["id"]] = frame["method"]
        self.world.conductor.backend_frame(self.number, json.loads(json.dumps(frame)), 100)

    def update(self, session: str, **content: Any) -> None:
        self.say({"jsonrpc": "2.0", "method": "session/update", "params": {"sessionId": session, "update": content}})

    def chunk(self, session: str, text: str) -> None:
        self.update(session, sessionUpdate="agent_message_chunk", content={"type": "text", "text": text})

    def ask(self, session: str, number: Any = 0) -> None:
        options = [
            {"optionId": "yes", "name": "Yes", "kind": "allow_once"},
            {"optionId": "no", "name": "No", "kind": "reject_once"},
        ]
        params = {"sessionId": session, "toolCall": {"toolCallId": "t"}, "options": options}
        self.say({"jsonrpc": "2.0", "id": number, "method": "session/request_permission", "params": params})

    def die(self) -> None:
        self.world.conductor.backend_gone(self.number, "killed")

    def sent(self, method: str) -> list[Frame]:
        return [frame for frame in self.got if frame.get("method") == method]

    def answers(self) -> list[Frame]:
        return [frame for frame in self.got if "method" not in frame]


def _new(adapter: Adapter, _: Frame) -> Frame:
    counts = adapter.world.counts
    counts[adapter.agent] = counts.get(adapter.agent, 0) + 1
    return {"result": {"sessionId": f"{adapter.agent}-{counts[adapter.agent]}", **MODELS}}


def _set(adapter: Adapter, frame: Frame) -> Frame:
    options = json.loads(json.dumps(MODELS["configOptions"]))
    for option in options:
        if option["id"] == frame["params"]["configId"]:
            option["currentValue"] = frame["params"]["value"]
    return {"result": {"configOptions": options}}


USUAL: dict[str, Callable[[Adapter, Frame], Frame | None]] = {
    "initialize": lambda *_: {"result": ABLE},
    "session/new": _new,
    "session/load": lambda *_: {"result": MODELS},
    "session/resume": lambda *_: {"result": MODELS},
    "session/set_config_option": _set,
    "session/prompt": lambda *_: None,
}


class Editor:
    def __init__(self, world: World, number: int) -> None:
        self.world, self.number, self.ids = world, number, 0
        self.reader = FrameReader(1 << 30)
        self.got: list[Frame] = []
        self.asked: dict[Any, str] = {}

    def pull(self) -> list[Frame]:
        while data := self.world.conductor.take(self.number, 1 << 16):
            frames = self.reader.feed(data)
            assert [problem for frame in frames for problem in violations(frame, self.asked)] == []
            self.got += frames
        return self.got

    def call(self, method: str, **params: Any) -> Any:
        self.ids += 1
        number = f"e{self.ids}"
        self.asked[number] = method
        frame = {"jsonrpc": "2.0", "id": number, "method": method, "params": params}
        self.world.conductor.editor_frame(self.number, frame, 100)
        return number

    def tell(self, method: str, **params: Any) -> None:
        self.world.conductor.editor_frame(self.number, {"jsonrpc": "2.0", "method": method, "params": params}, 100)

    def answer(self, number: Any, result: Frame) -> None:
        self.world.conductor.editor_frame(self.number, {"jsonrpc": "2.0", "id": number, "result": result}, 100)

    def reply(self, number: Any) -> Frame | None:
        found = [frame for frame in self.pull() if frame.get("id") == number and "method" not in frame]
        assert len(found) < 2, found
        return found[0] if found else None

    def done(self, method: str, **params: Any) -> Frame:
        reply = self.reply(self.call(method, **params))
        assert reply is not None
        assert "result" in reply, reply
        return reply["result"]

    def prompt(self, key: str, text: str = "hi") -> Any:
        return self.call("session/prompt", sessionId=key, prompt=[{"type": "text", "text": text}])

    def updates(self, key: str, kind: str | None = None) -> list[Frame]:
        found = [f["params"] for f in self.pull() if f.get("method") == "session/update"]
        mine = [params["update"] for params in found if params["sessionId"] == key]
        return [update for update in mine if kind is None or update["sessionUpdate"] == kind]

    def text(self, key: str, kind: str = "agent_message_chunk") -> str:
        return "".join(update["content"]["text"] for update in self.updates(key, kind))

    def questions(self) -> list[Frame]:
        return [frame for frame in self.pull() if frame.get("method") == "session/request_permission"]

    def leave(self) -> None:
        self.world.conductor.editor_gone(self.number)


class World:
    def __init__(self, place: Path, *agents: str, warm: bool = True, **settings: Any) -> None:
        self.place, self.settings = place, settings
        self.roster = Roster(*(agents or ("alpha",)))
        if warm:
            for spec in self.roster.specs:
                self.roster.offers[spec.agent] = Offer(ABLE, MODELS)
        self.adapters: list[Adapter] = []
        self.scripts: dict[str, Callable[[Adapter, Frame], Frame | None]] = {}
        self.dropped: list[int] = []
        self.decided: list[tuple[str, str]] = []
        self.counts: dict[str, int] = {}
        self.numbers = 0
        self.now = 100.0
        self.restart()

    def restart(self) -> None:
        """Begin a new daemon over the same files, as after a kill."""
        if hasattr(self, "table"):
            self.table.transcripts.flush()
            self.table.close()
        self.table = SessionTable(self.place)
        self.adapters = []
        self.conductor = Conductor(
            Settings("box", "0", **self.settings),
            backends=self,
            editors=self,
            roster=self.roster,
            table=self.table,
            transcripts=self.table.transcripts,
            decide=lambda number, choice: self.decided.append((number, choice)),
        )
        self.conductor.tick(self.now, 1.8e9 + self.now)

    def start(self, number: int, agent: str) -> None:
        self.adapters.append(Adapter(number, agent, self))

    def send(self, number: int, line: bytes) -> None:
        frame = json.loads(line)
        assert encode(frame)
        adapter = next(one for one in self.adapters if one.number == number)
        adapter.take(frame)

    def stop(self, number: int) -> None:
        next(one for one in self.adapters if one.number == number).stopped = True

    def ready(self, number: int) -> None: ...

    def drop(self, number: int) -> None:
        self.dropped.append(number)

    def later(self, seconds: float) -> None:
        self.now += seconds
        self.conductor.tick(self.now, 1.8e9 + self.now)

    def editor(self, **capabilities: Any) -> Editor:
        self.numbers += 1
        self.conductor.editor_joined(self.numbers)
        editor = Editor(self, self.numbers)
        editor.done("initialize", protocolVersion=1, clientCapabilities=capabilities)
        return editor

    @property
    def adapter(self) -> Adapter:
        return self.adapters[-1]


def new(editor: Editor, cwd: str = "/home/me/project") -> str:
    return editor.done("session/new", cwd=cwd, mcpServers=[])["sessionId"]
