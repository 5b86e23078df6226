"""What a person types, and what comes of it."""

from __future__ import annotations

import asyncio
import os
from types import SimpleNamespace

import pytest
from terok_sandbox.clearance.errors import BadVerdict, ClearanceError
from terok_sandbox.clearance.events import ClearanceEvent
from terok_sandbox.clearance.model import ClearanceRequest, Target, Verdict
from terok_sandbox.clearance.terminal import Command, parse_command, run_terminal

REQUEST = ClearanceRequest("ab12", "c1", Target("a.example.com"), "no rule", 1.0, 2.0)


@pytest.mark.parametrize(
    ("line", "command"),
    [
        ("a 1", Command("decide", 1, Verdict("allow"))),
        ("d 2 task not needed", Command("decide", 2, Verdict("deny", "task", 0, "not needed"))),
        ("allow 3 10m for the build", Command("decide", 3, Verdict("allow", "minutes", 10, "for the build"))),
        ("a 1 because", Command("decide", 1, Verdict("allow", "once", 0, "because"))),
        ("a 1 project", Command("decide", 1, Verdict("allow", "project"))),
        ("q", Command("quit")),
        ("l", Command("list")),
        ("", Command("nothing")),
        ("yes", Command("help")),
    ],
)
def test_commands(line: str, command: Command) -> None:
    assert parse_command(line) == command


@pytest.mark.parametrize("line", ["a", "a x", "d \u0661", "a 1 0m", "a 1 999999m"])
def test_unclear_commands_decide_nothing(line: str) -> None:
    with pytest.raises(BadVerdict):
        parse_command(line)


async def test_answers_go_to_the_numbered_request() -> None:
    given: list[Verdict] = []
    written: list[str] = []
    events: asyncio.Queue[ClearanceEvent] = asyncio.Queue()

    async def decide(request: ClearanceRequest, verdict: Verdict) -> None:
        assert request == REQUEST
        given.append(verdict)
        if verdict.duration == "project":
            raise ClearanceError("no project")

    subscriber = SimpleNamespace(waiting=(REQUEST,), next_event=events.get, decide=decide)
    reader, writer = os.pipe()
    events.put_nowait(ClearanceEvent("request", "c1", REQUEST))
    session = asyncio.create_task(run_terminal(subscriber, written.append, descriptor=reader))
    await asyncio.sleep(0.05)
    os.write(writer, b"a 2\nd 1 no\na 1 project\nl\nnonsense\n\xff\n")
    await asyncio.sleep(0.05)
    os.close(writer)
    await asyncio.wait_for(session, 5)
    os.close(reader)
    assert given == [Verdict("deny", "once", 0, "no"), Verdict("allow", "project")]
    assert "no request 2 waits" in written
    assert "no project" in written
    assert any("c1 wants example.com" in line for line in written)
