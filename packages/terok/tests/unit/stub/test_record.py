from __future__ import annotations

import pytest
from terok.stub.record import MAX_RECORDS, Recorder, RequestRecord, presented_credential
from terok.stub.script import Conversation, ToolResult


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({"x-api-key": "real"}, ("x-api-key", "expected")),
        ({"authorization": "Bearer real"}, ("authorization", "expected")),
        ({"authorization": "bearer  real"}, ("authorization", "expected")),
        ({"x-api-key": "phantom"}, ("x-api-key", "other")),
        ({"x-api-key": "real", "authorization": "Bearer phantom"}, ("x-api-key", "other")),
        ({"x-api-key": "ключ"}, ("x-api-key", "other")),
        ({"x-api-key": ""}, (None, "none")),
        ({}, (None, "none")),
    ],
)
def test_only_the_real_key_and_nothing_beside_it_counts(headers: dict[str, str], expected: tuple[str, str]) -> None:
    assert presented_credential(headers, "real") == expected


def test_no_key_is_the_right_one_when_none_is_expected() -> None:
    assert presented_credential({"x-api-key": "any"}, None) == ("x-api-key", "other")


def test_records_are_bounded_and_hold_no_credential() -> None:
    recorder = Recorder()
    record = RequestRecord("POST", "/v1/messages", "x-api-key", "expected", 10, 200)
    for _ in range(MAX_RECORDS + 5):
        recorder.add(record)
    assert (len(recorder.records), recorder.total) == (MAX_RECORDS, MAX_RECORDS + 5)
    assert recorder.authenticated() == MAX_RECORDS


def test_outputs_are_kept_by_step() -> None:
    recorder = Recorder()
    results = (ToolResult("call_terok_001", "b"), ToolResult("call_terok_000", "a"), ToolResult("other", "c"))
    recorder.note_outputs(Conversation("m", results=results))
    assert recorder.outputs == {1: "b", 0: "a"}
