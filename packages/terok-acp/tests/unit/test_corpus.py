"""Frames of real adapters, as `tests-integration/acp_corpus.py` has recorded them, on their way to an editor."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from acp_world import Adapter, Editor, World, new
from terok_acp.protocol.frames import Frame

CORPUS = Path(__file__).parent.parent / "corpus"
AGENTS = sorted(path.stem for path in CORPUS.glob("*.jsonl"))
STATE = {"config_option_update", "current_mode_update"}
"""Kinds that say what is ours to tell: modes and options."""


class Recorded:
    """An adapter that says what was recorded, each part when it is asked for."""

    def __init__(self, world: World, agent: str) -> None:
        self.lines = [json.loads(line) for line in (CORPUS / f"{agent}.jsonl").read_text().splitlines()]
        self.at = 0
        self.editor: Editor | None = None
        for method in ("initialize", "session/new", "session/prompt"):
            world.scripts[method] = self.play

    def play(self, adapter: Adapter, frame: Frame) -> Frame:
        """Say what was said until the answer to a request, and return that."""
        while (line := self.lines[self.at])["frame"].get("method") != frame["method"]:
            if line["from"] == "agent" and "method" in line["frame"]:
                self.say(adapter, line["frame"])
            self.at += 1
        asked = self.lines[self.at]["frame"]["id"]
        while True:
            self.at += 1
            line = self.lines[self.at]
            if line["from"] == "agent":
                said = line["frame"]
                if "method" not in said and said["id"] == asked:
                    return {key: said[key] for key in ("result", "error") if key in said}
                self.say(adapter, said)

    def go_on(self, adapter: Adapter) -> None:
        """Say what was said of its own accord after an answer."""
        while (line := self.lines[self.at + 1])["from"] == "agent":
            self.at += 1
            self.say(adapter, line["frame"])

    def say(self, adapter: Adapter, frame: Frame) -> None:
        adapter.say(frame)
        if self.editor is not None:
            self.editor.pull()  # an editor that reads at once is sent every update by itself


def told(frames: list[Frame], method: str) -> list[Any]:
    """Return the content of one method's frames without session ids, the state left out."""
    contents = [
        {k: v for k, v in frame["params"].items() if k != "sessionId"}
        for frame in frames
        if frame.get("method") == method
    ]
    return [content for content in contents if content.get("update", {}).get("sessionUpdate") not in STATE]


def test_there_is_a_recording_of_every_agent_that_speaks_the_protocol() -> None:
    from terok_executor import AgentRoster

    assert [name for name, agent in AgentRoster.load().agents.items() if agent.acp is not None] == AGENTS


@pytest.mark.parametrize("agent", AGENTS)
def test_nothing_is_lost_or_changed_and_all_is_valid(agent: str, tmp_path: Path) -> None:
    world = World(tmp_path / "box", agent, warm=False, workspace=None)
    recorded = Recorded(world, agent)
    recorded.editor = editor = world.editor(_meta={"terminal_output": True})  # else terminals become text
    key = new(editor, "/workspace")
    prompt = editor.prompt(key)
    recorded.go_on(world.adapter)
    reply = editor.reply(prompt)
    said = [line["frame"] for line in recorded.lines[: recorded.at + 1] if line["from"] == "agent"]
    answers = [frame for frame in said if "method" not in frame]
    assert reply is not None
    assert reply["result"] == answers[-1]["result"]
    for method in ("session/update", "session/request_permission"):
        assert told(editor.pull(), method) == told(said, method)
