from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_executor.errors import RosterError
from terok_executor.roster.loader import load_agents
from terok_executor.transcript.lines import MAX_LINE
from terok_executor.transcript.reader import MAX_EVENTS, TranscriptReader, read_transcript
from terok_executor.transcript.render import render_event
from terok_executor.transcript.rules import MAX_TEXT

RECORDED = sorted((Path(__file__).parent / "recorded").iterdir())
AGENTS = load_agents(Path("/nonexistent"))
STREAMS = [(AGENTS[path.name.partition("-")[0]], path.read_bytes()) for path in RECORDED]
LINES = [(agent, line) for agent, data in STREAMS for line in data.splitlines() if line.startswith(b'{"')]
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)


@given(st.sampled_from(STREAMS), st.lists(st.integers(0, 20_000), max_size=8))
def test_where_the_chunks_end_makes_no_difference(stream: tuple, cuts: list[int]) -> None:
    agent, data = stream
    ends = sorted({min(cut, len(data)) for cut in cuts} | {0, len(data)})
    chunks = [data[begin:end] for begin, end in pairwise(ends)]
    assert list(read_transcript(agent, chunks)) == list(read_transcript(agent, data))


@given(st.sampled_from(sorted(AGENTS)), st.lists(st.binary(max_size=400), max_size=5))
def test_no_bytes_make_it_fail_or_a_terminal_act(name: str, chunks: list[bytes]) -> None:
    for event in read_transcript(AGENTS[name], chunks):
        assert all(line.isprintable() for line in render_event(event))


@given(st.sampled_from(LINES), st.lists(st.integers(0, 9), min_size=1, max_size=6), json_values)
def test_no_value_anywhere_in_a_line_makes_it_fail(of: tuple, path: list[int], value: object) -> None:
    """Any value in the place of another, as deep as the keys that the format looks at."""
    agent, line = of
    row = node = json.loads(line)
    for step in path:
        parent, key = node, sorted(node)[step % len(node)]
        node = parent[key]
        if not isinstance(node, dict) or not node:
            break
    parent[key] = value
    for event in read_transcript(agent, json.dumps(row).encode()):
        assert all(line.isprintable() for line in render_event(event))
        assert len(event.text) <= MAX_TEXT


@pytest.mark.parametrize(
    "line",
    [
        b'{"type":"result","usage":{"input_tokens":' + b"9" * 5000 + b"}}",
        b'{"type":"result","total_cost_usd":1e999,"usage":{"input_tokens":NaN}}',
        b'{"a":' * 100_000,
        b'{"type":"assistant","message":{"content":[' + b"[" * 900 + b"]" * 900 + b"]}}",
        b'{"type":"assistant","message":{"content":"text"}}',
        b'{"type":["assistant"],"message":null}',
        b'{"type":"user","message":{"content":[{"type":"tool_result","content":[{"text":{}},{"text":1}]}]}}',
        b"\xff\xfe{}",
        b"\x1b]52;c;aGk=\x07",
    ],
)
def test_lines_that_have_broken_parsers(line: bytes) -> None:
    for event in read_transcript(AGENTS["claude"], line + b"\n"):
        assert all(shown.isprintable() for shown in render_event(event))


def test_a_line_without_an_end_is_cut_and_the_next_one_is_read() -> None:
    reader = TranscriptReader(AGENTS["demo"])
    for _ in range(40):
        assert reader.feed(b"x" * 100_000) == []
    (cut,) = reader.feed(b"\n")
    assert cut.text == "x" * MAX_TEXT
    assert MAX_LINE > MAX_TEXT
    (after,) = reader.feed(b'{"event": "message", "text": "hello"}\n')
    assert (after.kind, after.text) == ("message", "hello")


def test_the_number_of_events_is_bounded() -> None:
    reader = TranscriptReader(None)
    found = reader.feed(b"\n" * (MAX_EVENTS + 5000))
    assert len(found) == MAX_EVENTS
    assert "left out" in found[-1].text
    assert reader.feed(b"more\n") == []


def test_pieces_of_a_message_are_put_together_line_by_line() -> None:
    pieces = ["One", " line.\nAnd ano", "ther", "."]
    rows = [json.dumps({"type": "message", "role": "assistant", "content": piece, "delta": True}) for piece in pieces]
    rows.append(json.dumps({"type": "tool_use", "tool_name": "ls", "tool_id": "1", "parameters": {}}))
    found = list(read_transcript(AGENTS["gemini"], "\n".join(rows).encode()))
    assert [(event.kind, event.text) for event in found[:2]] == [
        ("message", "One line."),
        ("message", "And another."),
    ]
    assert found[2].kind == "tool_call"


def test_a_question_has_its_options() -> None:
    asked = {"question": "Which one?", "options": [{"label": "left"}, {"label": "right"}]}
    block = {"type": "tool_use", "id": "q1", "name": "AskUserQuestion", "input": {"questions": [asked]}}
    row = {"type": "assistant", "message": {"content": [block]}, "session_id": "s"}
    question, call = read_transcript(AGENTS["claude"], json.dumps(row).encode())
    assert (question.kind, question.id, question.text) == ("question", "q1", "Which one?")
    assert question.options == ("left", "right")
    assert call.kind == "tool_call"
    assert render_event(question) == ["? Which one?", "  1) left  2) right"]


def test_an_agent_without_a_format_prints_messages() -> None:
    plain = replace(AGENTS["demo"], headless=replace(AGENTS["demo"].headless, transcript=None))
    (event,) = read_transcript(plain, b'{"event": "message"}')
    assert (event.kind, event.speaker, event.text) == ("message", "agent", '{"event": "message"}')


def test_a_format_that_is_not_there_is_named() -> None:
    agent = replace(AGENTS["demo"], headless=replace(AGENTS["demo"].headless, transcript="nothing"))
    with pytest.raises(RosterError, match="unknown format nothing") as refused:
        TranscriptReader(agent)
    assert "claude-stream" in (refused.value.hint or "")
