"""The timeline: its order, what rows become, and its forms for other programs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from shapes import TEXT, by_name, problem, record, rows, words
from terok.model.anchors import Place, Quote
from terok.model.check_sarif import checks_as_run
from terok.model.otlp import spans_document
from terok.model.review import CheckRun, Comment
from terok.model.task import Event, Operation, Task
from terok.model.timeline import KINDS, SOURCES, Entry, chosen, dated, merge
from terok.model.timeline_rows import (
    entries_of_audit,
    entries_of_checks,
    entries_of_comments,
    entries_of_events,
    entries_of_operations,
    entries_of_output,
    entries_of_usage,
)

NOON = "2026-01-31T12:00:00.500Z"
AT = 1769860800.5
TIMES = st.floats(0, 1e10) | st.sampled_from([1.0, 2.0, 3.0])
ENTRIES = st.lists(st.lists(TIMES, max_size=8), max_size=6)
NASTY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.just("\x1b[2J\u202e") | st.just(NOON),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)
FIELDS = (
    *("time", "action", "request", "verdict", "status", "provider", "method", "path", "reason", "name", "dest", "port"),
    *("duration_ms", "model", "input", "output", "cost_nano", "requests", "billing", "ref", "commit", "findings"),
    *("kind", "id", "text", "failed", "exit_code", "outcome", "found", "price_assumed"),
)
ACTIONS = st.sampled_from(
    ["request", "response", "allowed", "refused", "blocked", "push", "verdict", "unreadable", "x"]
)
ROWS = st.lists(
    st.builds(
        lambda row, action, kind: {**row, "action": action, "kind": kind},
        st.dictionaries(st.sampled_from(FIELDS), NASTY, max_size=8),
        ACTIONS,
        st.sampled_from(["tool_call", "tool_result", "question", "end"]),
    ),
    max_size=6,
)


@given(ENTRIES)
def test_a_merge_keeps_every_entry_and_the_order_of_each_source(times: list[list[float]]) -> None:
    sources = [
        [Entry(at, "task", str(source), f"{source}/{number}", {}) for number, at in enumerate(moments)]
        for source, moments in enumerate(times)
    ]
    merged = list(merge(sources))
    for source in sources:
        assert [one for one in merged if one in source] == source
    assert len(merged) == sum(map(len, sources))
    in_order = [sorted(source, key=lambda one: one.at) for source in sources]
    for one, other in pairwise(merge(in_order)):
        assert (one.at, int(one.source)) <= (other.at, int(other.source)), "ties go by source"


@given(st.lists(st.none() | TIMES, max_size=9), TIMES)
def test_a_row_without_a_time_stands_with_the_one_before(moments: list[float | None], otherwise: float) -> None:
    found = dated(moments, otherwise)
    assert [at for at, moment in zip(found, moments, strict=True) if moment is not None] == [
        moment for moment in moments if moment is not None
    ]
    assert len(found) == len(moments) and all(one is not None for one in found)


def _strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        yield from (text for pair in value.items() for one in pair for text in _strings(one))
    elif isinstance(value, list | tuple):
        yield from (text for one in value for text in _strings(one))


MAKERS: dict[str, Callable[[list[dict[str, Any]]], Iterable[Entry]]] = {
    **{wall: lambda found, wall=wall: entries_of_audit(wall, found, AT) for wall in ("vault", "shield", "gate")},
    "usage": lambda found: entries_of_usage(found, AT),
    "output": lambda found: entries_of_output([(None, row) for row in found], AT),
    "terok": lambda found: entries_of_events(Event(1, AT, "a", "state", row) for row in found),
}


@pytest.mark.parametrize("source", MAKERS)
@given(ROWS)
def test_nothing_in_a_row_makes_it_fail_or_reaches_a_terminal(source: str, found: list[dict[str, Any]]) -> None:
    entries = list(MAKERS[source](found))
    for entry in entries:
        assert entry.kind in (*SOURCES[source], "record") and entry.kind in KINDS
        assert all(text.isprintable() for text in _strings(entry))
        json.dumps(entry, allow_nan=False)
    document = spans_document(TASK, entries, version="1")
    assert problem(document, OTLP) is None


COMMENT = Comment(
    1, "a", "b", "1" * 40, "2" * 40, Place("a.py", 12, 12), Quote(), "why?", "Ada", AT, None, None, None, "sent"
)
CHECK = CheckRun(1, "a", "b", "1" * 40, "make test", "failed", 2, "line\nlast line", 0, AT, AT + 3)


def _only(entries: Iterable[Entry]) -> Entry:
    (entry,) = entries
    return entry


def _audit(wall: str, **row: Any) -> Entry:
    return _only(entries_of_audit(wall, [{"time": NOON, "container": "c", **row, "prev": "0", "hash": "1"}], 0.0))


@pytest.mark.parametrize(
    ("entry", "kind", "text"),
    [
        (
            _audit("vault", action="request", provider="demo", method="POST", path="/v1/messages", verdict="released"),
            "credential",
            "request released demo POST /v1/messages",
        ),
        (_audit("vault", action="ssh-sign", key="SHA256:x", verdict="released"), "credential", "released SHA256:x"),
        (_audit("vault", action="budget", verdict="raise"), "verdict", "budget: verdict=raise"),
        (_audit("shield", action="allowed", name="ok.example", port=443), "name", "allowed ok.example:443"),
        (_audit("shield", action="refused", name="no.example", reason="by default"), "name", "no.example: by default"),
        (_audit("shield", action="blocked", dest="192.0.2.1", port=22), "connection", "blocked 192.0.2.1:22"),
        (_audit("shield", action="verdict", name="no.example", verdict="allow"), "verdict", "verdict=allow"),
        (_audit("shield", action="posture", posture="up"), "verdict", "posture=up"),
        (
            _audit("gate", action="push", ref="refs/heads/a", commit="1" * 40, verdict="landed", findings=1),
            "push",
            f"refs/heads/a {'1' * 12} landed, 1 finding",
        ),
        (_audit("gate", action="unreadable"), "record", "gap"),
        (_audit("vault", action="log_replaced"), "record", "log replaced"),
        (
            _only(entries_of_usage([{"time": NOON, "model": "m", "input": 2, "output": 3, "cost_nano": 10**8}], 0)),
            "model",
            "m: 2 tokens in, 3 out, $0.1000",
        ),
        (_only(entries_of_usage([{"time": NOON, "model": "m", "price_assumed": True}], 0)), "model", "0 out, ?"),
        (_only(entries_of_usage([{"time": NOON, "billing": "plan", "requests": 7}], 0)), "model", "7 requests"),
        (_only(entries_of_events([Event(1, AT, "a", "starting", {})])), "run", "starting"),
        (_only(entries_of_events([Event(1, AT, "a", "reviewed", {"tip": "1"})])), "review", "reviewed tip=1"),
        (_only(entries_of_comments([COMMENT])), "review", "comment on a.py:12: why?"),
        (_only(entries_of_checks([CHECK])), "review", "check `make test` on 111111111111 failed"),
        (_only(entries_of_events([Event(1, AT, "a", "state", {"word": "question"})])), "question", "question"),
        (_only(entries_of_events([Event(1, AT, "a", "renamed", {"name": "b"})])), "task", "renamed name=b"),
        (
            _only(entries_of_operations([Operation(1, AT, "stop", "a", "stopped a", {}, "done", None)])),
            "operation",
            "stopped a (done)",
        ),
    ],
)
def test_what_rows_become(entry: Entry, kind: str, text: str) -> None:
    assert (entry.kind, entry.at) == (kind, AT) and text in entry.text
    assert not {"prev", "hash", "container", "time"} & entry.data.keys() or entry.kind == "model"


def test_what_takes_time_ends_with_its_answer() -> None:
    call = {"time": NOON, "action": "request", "request": "r-1", "verdict": "released"}
    answer = {"time": "2026-01-31T12:00:02.500Z", "action": "response", "request": "r-1", "status": 200}
    entry = _only(entries_of_audit("vault", [call, answer], 0.0))
    assert (entry.at, entry.until, entry.data["status"]) == (AT, AT + 2, 200)
    usage = _only(entries_of_usage([{"time": NOON, "duration_ms": 1500}], 0.0))
    assert (usage.at, usage.until) == (AT - 1.5, AT)
    said = [(AT, {"kind": "tool_call", "id": "1", "name": "Bash", "text": "ls"})]
    said += [(AT + 3, {"kind": "tool_result", "id": "1", "failed": True, "exit_code": 2})]
    tool = _only(entries_of_output(said, 0.0))
    assert (tool.until, tool.data["failed"], tool.text) == (AT + 3, True, "Bash failed: ls")


def test_choosing() -> None:
    entries = [Entry(at, kind, "terok", "", {}) for at, kind in ((1.0, "task"), (2.0, "run"), (3.0, "task"))]
    assert chosen(entries) == (entries, False)
    assert chosen(entries, kinds=["task"], tail=1) == (entries[2:], True)
    assert chosen(entries, since=2.0) == (entries[1:], False)
    assert chosen([Entry(1.0, "model", "usage", "", {}, 5.0)], since=2.0)[0], "it went on until then"


TASK = Task("a2345678", "web", "calm-otter", "demo", "headless", AT, provider="demo", session="s", ended=AT + 60)
ATTRIBUTE = record(
    key=TEXT,
    value={
        "type": "object",
        "properties": {
            "stringValue": TEXT,
            "intValue": TEXT,
            "doubleValue": {"type": "number"},
            "boolValue": {"type": "boolean"},
        },
        "additionalProperties": False,
    },
)
ATTRIBUTES = rows(ATTRIBUTE)
SPAN = record(
    **dict.fromkeys(("traceId", "spanId", "name", "startTimeUnixNano", "endTimeUnixNano"), TEXT),
    kind=words(1, 2, 3, 4, 5),  # type: ignore[arg-type]
    attributes=ATTRIBUTES,
    events=rows(record(timeUnixNano=TEXT, name=TEXT, attributes=ATTRIBUTES)),
    status={"type": "object"},
    maybe={"parentSpanId": TEXT},
)
OTLP = record(
    resourceSpans=rows(
        record(
            resource=record(attributes=ATTRIBUTES),
            scopeSpans=rows(record(scope=by_name(TEXT), spans=rows(SPAN))),
        )
    )
)
"""The part of OTLP's schema (ExportTraceServiceRequest in JSON) that spans have to do with."""


def test_spans_of_a_run() -> None:
    entries = [
        Entry(AT + 1, "run", "terok", "starting", {"event": "starting"}),
        Entry(AT + 2, "model", "usage", "", {"model": "m", "provider": "demo", "input": 5, "status": 429}, AT + 3),
        Entry(AT + 4, "tool", "output", "", {"name": "Bash", "id": "t1", "failed": True}, AT + 6),
        Entry(AT + 7, "name", "shield", "refused no.example", {"name": "no.example", "port": 443}),
        Entry(AT + 8, "run", "terok", "ended", {"event": "ended", "exit_code": 3}),
        Entry(AT + 9, "review", "terok", "comment", {"event": "comment"}),
    ]
    document = spans_document(TASK, entries, version="1.2")
    assert problem(document, OTLP) is None
    task, run, call, tool = document["resourceSpans"][0]["scopeSpans"][0]["spans"]
    assert len({one["traceId"] for one in (task, run, call, tool)}) == 1 and len(task["traceId"]) == 32
    assert "parentSpanId" not in task and run["parentSpanId"] == task["spanId"] and len(run["spanId"]) == 16
    assert call["parentSpanId"] == tool["parentSpanId"] == run["spanId"]
    assert [one["name"] for one in (run, call, tool)] == ["invoke_agent demo", "chat m", "execute_tool Bash"]
    assert [one["status"].get("code") for one in (task, run, call, tool)] == [None, 2, 2, 2]
    assert call["startTimeUnixNano"] == "1769860802500000000" and call["endTimeUnixNano"] == "1769860803500000000"
    about = {one["key"]: one["value"] for one in call["attributes"]}
    assert about["gen_ai.usage.input_tokens"] == {"intValue": "5"} and about["error.type"] == {"stringValue": "429"}
    assert about["gen_ai.operation.name"] == {"stringValue": "chat"}
    assert [one["name"] for one in run["events"]] == ["terok.run", "terok.name", "terok.run"]
    assert [one["name"] for one in task["events"]] == ["terok.review"]
    assert document == spans_document(TASK, entries, version="1.2"), "the same task has the same spans"


def test_checks_as_sarif() -> None:
    running = CHECK._replace(state="running", ended=None, exit_code=None)
    run = checks_as_run([CHECK._replace(state="passed", exit_code=0), CHECK, running], version="1")
    first, second = run["invocations"]
    assert (first["executionSuccessful"], second["executionSuccessful"], second["exitCode"]) == (True, False, 2)
    assert (second["startTimeUtc"], second["endTimeUtc"]) == ("2026-01-31T12:00:00.500Z", "2026-01-31T12:00:03.500Z")
    (result,) = run["results"]
    assert result["ruleId"] == run["tool"]["driver"]["rules"][0]["id"] and result["level"] == "error"
    assert "make test: failed" in result["message"]["text"] and "last line" in result["message"]["text"]
