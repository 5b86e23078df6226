"""The queue under any order of sightings, verdicts, time and restarts: bounded, consumed once, denied by default."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from terok_sandbox.clearance.errors import BadVerdict, ClearanceError, TargetMismatch, UnknownRequest
from terok_sandbox.clearance.journal import replay, snapshot
from terok_sandbox.clearance.model import ClearanceRequest, Target, Verdict
from terok_sandbox.clearance.queue import ClearanceQueue, QueueLimits

LIMITS = QueueLimits(waiting=5, burst=8, per_minute=60, lifetime=100, remembered=6, settle=3)
TARGETS = st.builds(
    Target,
    name=st.sampled_from(["a.example", "b.a.example", "c.example", "xn--pple-43d.com"]),
    address=st.sampled_from(["", "198.51.100.7"]),
    port=st.sampled_from([None, 22, 443]),
    proto=st.just("tcp"),
) | st.builds(Target, address=st.sampled_from(["198.51.100.7", "2001:db8::7"]), port=st.sampled_from([1, 65535]))
VERDICTS = st.sampled_from([Verdict("allow"), Verdict("deny", "task"), Verdict("allow", "minutes", 5)])


class QueueMachine(RuleBasedStateMachine):
    def __init__(self) -> None:
        super().__init__()
        self.now = 1000.0
        self.queue = ClearanceQueue("c1", limits=LIMITS, now=self.now)
        self.decided: set[str] = set()

    @rule(wanted=TARGETS)
    def see(self, wanted: Target) -> None:
        before = {one.id: one for one in self.queue.waiting}
        seen = self.queue.record_sighting(wanted, "no rule", self.now)
        if seen.kind == "new":
            assert seen.request is not None and seen.request.id not in before
            assert all(one.target.key != wanted.key for one in before.values())
        elif seen.kind == "repeated":
            assert seen.request is not None and seen.request.count == before[seen.request.id].count + 1
        else:
            assert {one.id for one in self.queue.waiting} == set(before)

    @precondition(lambda self: self.queue.waiting)
    @rule(data=st.data(), verdict=VERDICTS)
    def decide(self, data: st.DataObject, verdict: Verdict) -> None:
        request = data.draw(st.sampled_from(self.queue.waiting))
        with pytest.raises(TargetMismatch):
            self.queue.decide(request.id, f"{request.target}x", verdict, self.now)
        assert self.queue.decide(request.id, str(request.target), verdict, self.now) == request
        self.decided.add(request.id)
        assert self.queue.record_sighting(request.target, "", self.now).verdict == verdict

    @rule(request_id=st.text(max_size=5))
    def decide_nothing(self, request_id: str) -> None:
        for one in {request_id, *self.decided}:
            with pytest.raises(UnknownRequest):
                self.queue.decide(one, "a.example", Verdict("allow"), self.now)

    @rule(seconds=st.floats(0, 200))
    def wait(self, seconds: float) -> None:
        self.now += seconds
        late = self.queue.expire(self.now)
        assert all(self.now - one.last_seen >= LIMITS.lifetime for one in late)
        assert all(self.now - one.last_seen < LIMITS.lifetime for one in self.queue.waiting)

    @rule()
    def restart(self) -> None:
        again = ClearanceQueue("c1", limits=LIMITS, now=self.now)
        replay([json.dumps(row).encode() for row in snapshot(self.queue)], again)
        assert again.waiting == self.queue.waiting
        assert again.domains == self.queue.domains
        self.queue = again

    @invariant()
    def bounded(self) -> None:
        waiting = self.queue.waiting
        assert len(waiting) <= LIMITS.waiting
        assert len(self.queue.domains) <= LIMITS.remembered
        assert len({one.target.key for one in waiting}) == len(waiting)
        assert not self.decided & {one.id for one in waiting}


TestQueueMachine = QueueMachine.TestCase
TestQueueMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)


def test_a_flood_asks_few_questions_and_is_counted() -> None:
    queue = ClearanceQueue("c1", limits=QueueLimits(waiting=1000), now=0)
    kinds = [queue.record_sighting(Target(f"x{i}.example.com"), "", i / 10_000).kind for i in range(10_000)]
    assert kinds.count("new") == 20
    assert queue.suppressed == 10_000 - 20
    assert queue.record_sighting(Target("later.example.com"), "", 60).kind == "new"


def test_a_known_domain_is_told_from_a_new_one() -> None:
    queue = ClearanceQueue("c1", now=0)
    first = queue.record_sighting(Target("a.example.co.uk"), "", 0).request
    second = queue.record_sighting(Target("b.example.co.uk"), "", 0).request
    assert first and second and first.domain == "example.co.uk"
    assert (first.first_time, second.first_time) == (True, False)


@given(
    raw=st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda v: (
            st.dictionaries(st.sampled_from(["action", "scope", "minutes", "reason", "id", "name", "port", "count"]), v)
            | st.lists(v)
        ),
    )
)
def test_hostile_values_are_refused_as_such(raw: object) -> None:
    for parse in (Verdict.from_json, ClearanceRequest.from_json):
        try:
            value = parse(raw)
        except ClearanceError:
            continue
        assert parse(value.to_json()) == value


@pytest.mark.parametrize(
    "raw",
    [
        {"action": "accept"},
        {"action": "allow", "scope": "forever"},
        {"action": "allow", "scope": "minutes"},
        {"action": "allow", "scope": "task", "minutes": 5},
        {"action": "allow", "minutes": True},
        {"action": "deny", "reason": 1},
    ],
)
def test_an_ambiguous_verdict_is_none(raw: dict[str, object]) -> None:
    with pytest.raises(BadVerdict):
        Verdict.from_json(raw)
