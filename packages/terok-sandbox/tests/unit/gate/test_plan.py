from __future__ import annotations

from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.gate.plan import Divergence, RefNames, plan_sync


class Graph:
    """A history given as commit → parent."""

    def __init__(self, parents: dict[str, str | None]) -> None:
        self.parents = parents

    def reach(self, tip: str) -> set[str]:
        found: set[str] = set()
        at: str | None = tip
        while at is not None:
            found.add(at)
            at = self.parents[at]
        return found

    def compare(self, gate_tip: str, upstream_tip: str) -> Divergence:
        ours, theirs = self.reach(gate_tip), self.reach(upstream_tip)
        return Divergence(len(ours - theirs), len(theirs - ours), bool(ours & theirs))

    def count(self, tip: str, without: Iterable[str]) -> int:
        return len(self.reach(tip) - set().union(*map(self.reach, without)))


#  a ← b ← c       d follows b besides c; x ← y is unrelated
HISTORY = Graph({"a": None, "b": "a", "c": "b", "d": "b", "x": None, "y": "x"})


def pending(heads: str, upstream: str | None, proof: str | None) -> tuple[str, bool, int] | None:
    plan = plan_sync({"m": heads}, {"m": upstream} if upstream else {}, {"m": proof} if proof else {}, HISTORY)
    if not plan.pending:
        return None
    op = plan.pending[0]
    return op.reason, op.lossless, op.gate_only_commits


def test_create_and_fast_forward() -> None:
    plan = plan_sync({"m": "a", "same": "b"}, {"m": "c", "same": "b", "new": "d"}, {"m": "a", "same": "b"}, HISTORY)
    assert plan.updates == {"m": ("a", "c"), "new": (None, "d")}
    assert not plan.pending


def test_the_gate_may_be_ahead() -> None:
    assert pending("c", "b", "b") is None
    assert pending("c", "b", "a") is None


def test_what_waits_for_a_person() -> None:
    assert pending("c", "d", "c") == ("upstream_rewrite", True, 0)
    assert pending("c", "b", "c") == ("upstream_rewrite", True, 0), "the upstream went back"
    assert pending("c", "x", "b") == ("upstream_rewrite", False, 1)
    assert pending("c", "d", "b") == ("diverged", False, 1)
    assert pending("y", "c", None) == ("unknown_provenance", False, 2)
    assert pending("c", None, "c") == ("upstream_delete", True, 0)
    assert pending("c", None, "a") == ("upstream_delete", False, 2)


def test_branches_of_the_gate_alone_are_left_alone() -> None:
    plan = plan_sync({"agent/x": "c"}, {}, {}, HISTORY)
    assert (plan.updates, plan.pending, plan.gate_only) == ({}, (), ("agent/x",))


def test_names_that_cannot_coexist() -> None:
    plan = plan_sync({"a": "a", "b/c": "a"}, {"a/x": "b", "b": "b", "n": "b", "n/m": "c"}, {}, HISTORY)
    assert plan.updates == {"n": (None, "b")}
    assert len(plan.notes) == 3


commits = st.sampled_from(sorted(HISTORY.parents))
maps = st.dictionaries(st.sampled_from(["m", "m/n", "o", "p"]), commits)


@given(maps, maps, maps)
def test_a_sync_loses_nothing(heads: dict[str, str], upstream: dict[str, str], proof: dict[str, str]) -> None:
    plan = plan_sync(heads, upstream, proof, HISTORY)
    for branch, (old, new) in plan.updates.items():
        assert heads.get(branch) == old
        assert upstream[branch] == new
        assert old is None or old in HISTORY.reach(new)
    after = {**heads, **{branch: new for branch, (_, new) in plan.updates.items()}}
    assert not any(op.branch in plan.updates or op.branch in plan.resolved for op in plan.pending)
    for op in plan.pending:
        kept = HISTORY.reach(upstream[op.branch]) if op.branch in upstream else set()
        if op.branch in proof:
            kept |= HISTORY.reach(proof[op.branch])
        assert op.lossless == (HISTORY.reach(heads[op.branch]) <= kept)
    again = plan_sync(after, upstream, proof, HISTORY)
    assert not again.updates, "a second sync has nothing to do"


@given(st.lists(st.sampled_from(["a", "a/b", "a/b/c", "ab", "b/a", "b"])), st.sampled_from(["a", "a/b", "b", "ab"]))
def test_obstacles(names: list[str], name: str) -> None:
    expected = any(used.startswith(name + "/") or name.startswith(used + "/") for used in names)
    assert (RefNames(names).obstacle(name) is not None) == expected
