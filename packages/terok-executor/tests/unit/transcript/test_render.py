from __future__ import annotations

import pytest
from terok_executor.transcript.event import Tokens, TranscriptEvent
from terok_executor.transcript.render import MAX_RESULT_LINES, render_event

ROWS = [
    (TranscriptEvent(kind="message", text="Two\nlines\n"), ["Two", "lines"]),
    (TranscriptEvent(kind="message", text="a\x1b[31mb"), ["a\\x1b[31mb"]),
    (TranscriptEvent(kind="message", speaker="person", text="Do it"), ["> Do it"]),
    (TranscriptEvent(kind="message", text="  \n"), []),
    (TranscriptEvent(kind="thought", text="Hm"), [". Hm"]),
    (TranscriptEvent(kind="tool_call", name="Bash", text="ls\npwd"), ["[Bash] ls", "    pwd"]),
    (TranscriptEvent(kind="tool_call", input='{"a":1}'), ['[tool] {"a":1}']),
    (TranscriptEvent(kind="tool_result", text="file"), ["    file"]),
    (TranscriptEvent(kind="tool_result", text="no", failed=True, exit_code=2), ["    no", "    failed (exit 2)"]),
    (TranscriptEvent(kind="question", text="Sure?", options=("yes", "no")), ["? Sure?", "  1) yes  2) no"]),
    (TranscriptEvent(kind="end", text="done"), []),
    (TranscriptEvent(kind="end", text="out of\nturns", failed=True), ["failed: out of", "failed: turns"]),
    (TranscriptEvent(kind="end", failed=True, exit_code=1), ["failed (exit 1)"]),
    (
        TranscriptEvent(kind="end", tokens=Tokens(1000, 20, 200, 34), cost_usd=0.5),
        ["1,234 tokens in, 20 out, 0.5000 USD by the agent's own count"],
    ),
    (TranscriptEvent(kind="usage", tokens=Tokens(1, 2)), []),
]


@pytest.mark.parametrize(("event", "lines"), ROWS)
def test_lines(event: TranscriptEvent, lines: list[str]) -> None:
    assert render_event(event) == lines


def test_what_a_tool_gives_is_cut_with_a_note() -> None:
    lines = render_event(TranscriptEvent(kind="tool_result", text="x\n" * 30))
    assert lines == ["    x"] * MAX_RESULT_LINES + ["    … 18 more lines"]


def test_color_surrounds_safe_lines() -> None:
    event = TranscriptEvent(kind="tool_result", text="\x1b[0m", failed=True)
    assert render_event(event, color=True) == ["\x1b[2m    \\x1b[0m\x1b[0m", "\x1b[31m    failed\x1b[0m"]


def test_parts_leave_out_what_says_nothing() -> None:
    assert TranscriptEvent(kind="tool_result", text="x", exit_code=0).parts() == {
        "kind": "tool_result",
        "text": "x",
        "exit_code": 0,
    }
    assert TranscriptEvent(kind="message").parts() == {"kind": "message", "speaker": "agent"}
