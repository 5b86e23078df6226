"""Streams that every bundled agent has printed, against a stub provider, for the same three steps."""

from __future__ import annotations

from pathlib import Path

import pytest
from terok_executor.roster.loader import load_agents
from terok_executor.transcript.event import TranscriptEvent
from terok_executor.transcript.reader import TranscriptReader, read_transcript

RECORDED = Path(__file__).parent / "recorded"
AGENTS = load_agents(Path("/nonexistent"))
COMMIT = "git commit -q -a -m 'Add a line'"
MISSING = "ls: cannot access '/missing': No such file or directory"
SAYS_NO_FAILURE = {"gemini"}
"""Agents whose stream does not tell that a command has failed."""
NO_END = {"vibe"}
"""Agents whose stream has no event for the end of a turn."""


def events(agent: str, case: str) -> list[TranscriptEvent]:
    return list(read_transcript(AGENTS[agent], (RECORDED / f"{agent}-{case}.jsonl").read_bytes()))


def test_every_bundled_agent_has_a_format_and_a_recorded_stream() -> None:
    assert {path.name.partition("-")[0] for path in RECORDED.iterdir()} == set(AGENTS)
    assert all(agent.headless.transcript for agent in AGENTS.values())


@pytest.mark.parametrize("agent", sorted(AGENTS))
def test_a_run_with_two_commands_of_which_one_fails(agent: str) -> None:
    found = [event for event in events(agent, "work") if event.kind != "usage" and event.speaker == "agent"]
    kinds = ["tool_call", "tool_result", "tool_call", "tool_result", "message", *(["end"] * (agent not in NO_END))]
    assert [event.kind for event in found] == kinds
    commit, committed, look, looked, said = found[:5]
    assert COMMIT in commit.text
    assert commit.name and commit.name == committed.name
    assert commit.id and commit.id == committed.id != look.id == looked.id
    assert committed.text.startswith("Add a line")
    assert "ls /missing" in look.text
    assert MISSING in looked.text
    assert (committed.failed, looked.failed) == (False, agent not in SAYS_NO_FAILURE)
    assert said.text == "Done: one line added."
    assert not found[-1].failed


@pytest.mark.parametrize("agent", sorted(AGENTS))
def test_a_run_that_the_provider_refuses(agent: str) -> None:
    found = events(agent, "refused")
    assert not [event for event in found if event.kind in ("tool_call", "tool_result")]
    reasons = " ".join(event.text for event in found if event.kind == "end" or event.speaker == "output")
    assert any(words in reasons for words in ("API key", "uthentication"))
    ended = [event.failed for event in found if event.kind == "end"]
    assert ended == ([] if agent in {"vibe", "claude"} else [True]), "this run of claude was ended at its time limit"


@pytest.mark.parametrize("agent", sorted(AGENTS))
def test_the_conversation_has_an_id(agent: str) -> None:
    reader = TranscriptReader(AGENTS[agent])
    reader.feed((RECORDED / f"{agent}-work.jsonl").read_bytes())
    assert len(reader.session) > 20


@pytest.mark.parametrize("agent", ["claude", "codex", "gemini", "opencode", "pi"])
def test_tokens_are_counted_as_the_agent_counts_them(agent: str) -> None:
    tokens = [event.tokens for event in events(agent, "work") if event.tokens is not None]
    assert all(one.input > 1000 and one.output > 0 for one in tokens)
    assert len(tokens) == (3 if agent in {"opencode", "pi"} else 1)
