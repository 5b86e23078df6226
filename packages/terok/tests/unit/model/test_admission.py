"""Who may start: slots by project and on the whole, dependencies, time, disk, panic."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.model.admission import Limits, Waiting, admit, outcomes
from terok.model.task import Task

NOW = 1000.0
LIMITS = Limits(total=3, per_project=2, projects={"api": 1}, disk_floor=100)


def waiting(task: str, project: str = "web", **fields: object) -> Waiting:
    return Waiting(task, project, NOW - 10, **fields)


@pytest.mark.parametrize(
    ("row", "working", "disk", "words", "reason", "text"),
    [
        (waiting("a"), [], 100, {}, None, ""),
        (waiting("a"), ["web", "web"], 100, {}, "slot", "waits for a slot of web (2 of 2)"),
        (waiting("a", "api"), ["api"], 100, {}, "slot", "waits for a slot of api (1 of 1)"),
        (waiting("a"), ["web", "x", "y"], 100, {}, "slot", "waits for a slot (3 of 3)"),
        (waiting("a"), [], 99, {}, "disk", "too little disk is free"),
        (waiting("a"), [], None, {}, "disk", "disk is not readable"),
        (waiting("a", not_before=NOW + 1), [], 100, {}, "time", "waits for its time"),
        (waiting("a", not_before=NOW), [], 100, {}, None, ""),
        (waiting("a", after=("b", "c")), [], 100, {"b": "done", "c": "working"}, "dependency", "waits for c"),
        (waiting("a", after=("b",)), [], 100, {"b": "review"}, "dependency", "waits for b"),
        (waiting("a", after=("b",)), [], 100, {"b": "failed"}, "dependency", "b is failed, so this never starts"),
        (waiting("a", after=("b",)), [], 100, {}, "dependency", "b is missing"),
        (waiting("a", after=("b",)), [], 100, {"b": "done"}, None, ""),
    ],
)
def test_one_row(
    row: Waiting, working: list[str], disk: int | None, words: dict[str, str], reason: str | None, text: str
) -> None:
    (decision,) = admit([row], working, LIMITS, disk, NOW, words)
    assert decision.reason == reason
    assert text in decision.text
    assert decision.admitted is (reason is None)


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({"word": "review", "ended": NOW, "exit_code": 0}, "done"),
        ({"word": "done", "ended": NOW, "exit_code": 0}, "done"),
        ({"word": "stopped", "ended": NOW, "exit_code": 0, "stopped_by": "a person"}, "stopped"),
        ({"word": "failed", "ended": NOW, "exit_code": 1}, "failed"),
        ({"word": "review"}, "review"),
        ({"word": "working"}, "working"),
    ],
)
def test_what_a_task_means_for_those_behind_it(changes: dict[str, object], outcome: str) -> None:
    task = Task("a3bcdefg", "web", "n", "demo", "headless", NOW)._replace(**changes)
    assert outcomes([task]) == {"a3bcdefg": outcome}


def test_after_a_panic_nothing_starts() -> None:
    (decision,) = admit([waiting("a")], [], Limits(9, 9, stopped=True), 100, NOW, {})
    assert decision.reason == "panic"


def test_priority_and_then_who_waited_longest() -> None:
    rows = [waiting("a"), Waiting("early", "web", NOW - 20), waiting("urgent", priority=1)]
    decisions = admit(rows, [], LIMITS, 100, NOW, {})
    assert [(one.task, one.admitted) for one in decisions] == [("urgent", True), ("early", True), ("a", False)]


def test_one_that_cannot_start_blocks_nobody() -> None:
    rows = [Waiting("blocked", "api", NOW - 99, after=("x",)), waiting("free", "api")]
    assert [one.admitted for one in admit(rows, [], LIMITS, 100, NOW, {})] == [False, True]


PROJECTS = st.sampled_from(["web", "api", "x"])
ROWS = st.lists(st.tuples(PROJECTS, st.floats(0, NOW), st.integers(0, 2)), max_size=12).map(
    lambda rows: [Waiting(f"t{n}", project, since, priority=prio) for n, (project, since, prio) in enumerate(rows)]
)


@given(ROWS, st.lists(PROJECTS, max_size=4))
def test_no_limit_is_passed_and_no_slot_left_empty(rows: list[Waiting], working: list[str]) -> None:
    decisions = admit(rows, working, LIMITS, 100, NOW, {})
    by_task = {row.task: row.project for row in rows}
    held = working + [by_task[one.task] for one in decisions if one.admitted]
    assert len(decisions) == len(rows)
    for project in set(by_task.values()):
        most = max(LIMITS.of(project), working.count(project))
        assert held.count(project) <= most
        if any(not one.admitted and by_task[one.task] == project for one in decisions):
            assert len(held) >= 3 or held.count(project) >= LIMITS.of(project)
    assert len(held) <= max(3, len(working))
