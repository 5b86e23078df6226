"""Frames of a real adapter in one scripted conversation, and what of them is kept as data of tests.

TEROK_RECORD_ACP=1 tools/test --integration -k test_adapters_say_what_is_recorded    writes the files anew
"""

from __future__ import annotations

import json
import re
import select
import time
from pathlib import Path
from typing import Any

from terok_acp import AdapterProcess
from terok_acp.protocol.frames import METHOD_NOT_FOUND, Frame, error, is_request, notification, request, result
from terok_acp.protocol.framing import FROM_EDITOR, FrameReader, encode

CORPUS = Path(__file__).resolve().parent.parent / "packages/terok-acp/tests/corpus"
SECONDS = 90
MOST_ITEMS = 3
MOST_CHARACTERS = 60
WORKSPACE = "/workspace"
_ID = re.compile(
    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[A-Za-z0-9_]*[0-9a-f]{16,}[A-Za-z0-9]*\b"
)
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)")


class Conversation:
    """A conversation with one adapter, and every frame of it with its sender."""

    def __init__(self, process: AdapterProcess) -> None:
        self._stream = process.start()
        self._process = process
        self._reader = FrameReader(FROM_EDITOR)
        self._waiting: list[Frame] = []
        self._number = 0
        self.frames: list[tuple[str, Frame]] = []
        self.open: list[Frame] = []
        """Permission requests that were not answered."""

    def say(self, frame: Frame) -> None:
        self.frames.append(("editor", frame))
        self._stream.send(encode(frame))

    def call(self, method: str, params: Frame) -> Frame:
        """Make a request, answer what is asked meanwhile, and return the answer."""
        number = self.ask(method, params)
        while True:
            frame = self.next()
            if is_request(frame):
                self.answer(frame)
            elif "method" not in frame and frame.get("id") == number:
                return frame

    def ask(self, method: str, params: Frame) -> int:
        self._number += 1
        self.say(request(self._number, method, params))
        return self._number

    def answer(self, frame: Frame) -> None:
        """Permit once, refuse everything else."""
        if frame["method"] != "session/request_permission":
            self.say(error(frame["id"], METHOD_NOT_FOUND, "not here"))
            return
        chosen = next(option for option in frame["params"]["options"] if option["kind"] == "allow_once")
        self.say(result(frame["id"], {"outcome": {"outcome": "selected", "optionId": chosen["optionId"]}}))

    def next(self) -> Frame:
        """Return the next frame of the adapter."""
        deadline = time.monotonic() + SECONDS
        while not self._waiting:
            ready, _, _ = select.select([self._stream], [], [], max(0.0, deadline - time.monotonic()))
            data = self._stream.recv(1 << 16) if ready else b""
            assert data, f"the adapter ended or is silent: {self._process.log_tail()}"
            for frame in self._reader.feed(data):
                assert isinstance(frame, dict), frame
                self.frames.append(("agent", frame))
                self._waiting.append(frame)
        return self._waiting.pop(0)

    def end(self) -> None:
        self._stream.close()
        self._process.stop()


def converse(process: AdapterProcess, mode: str) -> list[tuple[str, Frame]]:
    """Play the script: a turn with a tool whose use is permitted, and one that is cancelled."""
    talk = Conversation(process)
    try:
        about = {"protocolVersion": 1, "clientCapabilities": {}, "clientInfo": {"name": "corpus", "version": "1"}}
        assert "result" in talk.call("initialize", about)
        opened = talk.call("session/new", {"cwd": WORKSPACE, "mcpServers": []})
        key = {"sessionId": opened["result"]["sessionId"]}
        if mode:
            talk.call("session/set_mode", {**key, "modeId": mode})
        talk.call("session/prompt", {**key, "prompt": [{"type": "text", "text": "Do it"}]})
        number = talk.ask("session/prompt", {**key, "prompt": [{"type": "text", "text": "Once more"}]})
        talk.say(notification("session/cancel", key))
        while "method" in (frame := talk.next()) or frame.get("id") != number:
            if is_request(frame):
                talk.say(result(frame["id"], {"outcome": {"outcome": "cancelled"}}))
    finally:
        talk.end()
    return talk.frames


def redacted(frames: list[tuple[str, Frame]]) -> list[dict[str, Any]]:
    """Return the frames as they are kept: ids and times replaced, long texts and lists cut."""
    names: dict[str, str] = {}

    def text(value: str) -> str:
        value = _TIME.sub("2026-01-01T00:00:00Z", value)
        value = _ID.sub(lambda match: names.setdefault(match[0], f"id-{len(names) + 1}"), value)
        return value[:MOST_CHARACTERS]

    def cut(value: Any) -> Any:
        if isinstance(value, str):
            return text(value)
        if isinstance(value, list):
            return [cut(item) for item in value[:MOST_ITEMS]]
        if isinstance(value, dict):
            return {key: cut(item) for key, item in value.items()}
        return value

    return [{"from": sender, "frame": cut(frame)} for sender, frame in frames]


def shapes(kept: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Return what the adapter sent, by kind: the paths of all fields that were there in any of a kind."""
    asked: dict[Any, str] = {}
    found: dict[str, set[str]] = {}
    for line in kept:
        frame = line["frame"]
        if line["from"] == "editor":
            if "method" in frame:  # an answer has a number of the agent's
                asked[frame.get("id")] = frame["method"]
            continue
        kind = frame.get("method") or f"answer to {asked.get(frame.get('id'))}"
        if kind == "session/update":
            kind = f"update {frame['params']['update']['sessionUpdate']}"
        found.setdefault(kind, set()).update(_paths(frame, ""))
    return found


def _paths(node: Any, above: str) -> set[str]:
    if isinstance(node, dict):
        return {path for key, value in node.items() for path in _paths(value, f"{above}.{key}")}
    if isinstance(node, list):
        return {path for value in node for path in _paths(value, f"{above}[]")}
    return {above}


def load(agent: str) -> list[dict[str, Any]]:
    """Return what is kept of an agent."""
    return [json.loads(line) for line in (CORPUS / f"{agent}.jsonl").read_text().splitlines()]


def store(agent: str, kept: list[dict[str, Any]]) -> None:
    """Keep a conversation."""
    CORPUS.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(line, ensure_ascii=False, separators=(",", ":")) for line in kept]
    (CORPUS / f"{agent}.jsonl").write_text("\n".join(lines) + "\n")
