from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from terok.stub.script import Conversation, Script, Text, ToolCall, next_reply

RECORDED = Path(__file__).parent / "recorded"
SCRIPT = Script(("first", "second", "third"), "All steps are finished.")

Events = list[tuple[str | None, Any]]


@pytest.fixture
def read_events() -> Callable[[Sequence[bytes]], Events]:
    """A reader of event streams that is independent of the writer under test."""

    def read(frames: Sequence[bytes]) -> Events:
        events: Events = []
        for block in b"".join(frames).decode().split("\n\n")[:-1]:
            fields = dict(line.split(": ", 1) for line in block.split("\n"))
            data = fields["data"]
            events.append((fields.get("event"), data if data == "[DONE]" else json.loads(data)))
        return events

    return read


@pytest.fixture
def recorded() -> Callable[[str], list[dict[str, Any]]]:
    """Requests of a real client in one headless run of three commands, shortened: any errands, the first, the last."""
    return lambda client: json.loads((RECORDED / f"{client}.json").read_text())


@pytest.fixture
def play() -> Callable[[Conversation], tuple[ToolCall | None, str | None]]:
    """The reply to a conversation as (call, None) or (None, text)."""

    def reply(conversation: Conversation) -> tuple[ToolCall | None, str | None]:
        said = next_reply(SCRIPT, conversation)
        return (None, said.text) if isinstance(said, Text) else (said, None)

    return reply
