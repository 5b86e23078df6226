from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from terok_sandbox.gate.errors import PromotionRefused
from terok_sandbox.gate.promotion import promote
from terok_sandbox.gate.refs import ambiguity
from terok_sandbox.gate.review import record_review

if TYPE_CHECKING:
    from conftest import Repo
    from terok_sandbox.gate.git_gate import GitGate


@pytest.mark.attack("REF-1")
@pytest.mark.parametrize(
    "ref",
    [
        *(
            "refs/tags/origin/feature",
            "refs/tags/remotes/origin/main",
            "refs/tags/heads/main",
            "refs/tags/refs/heads/main",
        ),
        *("refs/tags/gate/main", "refs/tags/upstream/main", "refs/tags/FETCH_HEAD", "refs/tags/main"),
        *("refs/heads/origin/main", "refs/heads/tags/v1", "refs/heads/ORIG_HEAD", "refs/heads/v1"),
        f"refs/heads/{'0123456789' * 4}",
    ],
)
def test_what_could_be_taken_for_something_else_is_not_pushed(
    ref: str, agent: Repo, gate: GitGate, upstream: Repo
) -> None:
    """REF-1: a tag of an agent, or a branch, never stands for a branch or a tag that others mean."""
    upstream.git("tag", "v1")
    gate.sync()
    before = gate._refs().refs
    tip = agent.commit("evil")
    done = agent.try_git("push", "origin", f"{tip}:{ref}")
    assert "choose another name" in done.stderr or "is not accepted" in done.stderr, done.stderr
    assert gate._refs().refs == before


@pytest.mark.attack("REF-1")
def test_a_branch_and_a_tag_of_one_name_do_not_come_together(agent: Repo, gate: GitGate) -> None:
    before = gate._refs().refs
    agent.commit("a")
    done = agent.try_git("push", "origin", "HEAD:refs/heads/both", "HEAD:refs/tags/both")
    assert "of one name" in done.stderr
    assert gate._refs().refs == before
    agent.git("push", "-q", "origin", "HEAD:refs/heads/gate/one", "HEAD:refs/tags/v0.1")


def test_what_the_upstream_calls_alike_stays_usable(agent: Repo, gate: GitGate, upstream: Repo) -> None:
    upstream.git("branch", "twin")
    upstream.git("tag", "twin")
    gate.sync()
    agent.git("fetch", "-q")
    agent.git("checkout", "-q", "-b", "work", "refs/remotes/origin/twin")
    agent.commit("a")
    agent.git("push", "-q", "origin", "HEAD:refs/heads/twin")


def test_a_sync_names_branches_that_are_called_like_a_pushed_tag(agent: Repo, gate: GitGate, upstream: Repo) -> None:
    agent.git("push", "-q", "origin", "HEAD:refs/tags/later")
    upstream.git("branch", "later")
    assert any("'later' has the name of a tag" in note for note in gate.sync().notes)


def test_nothing_is_promoted_to_the_name_of_a_tag(agent: Repo, gate: GitGate, upstream: Repo) -> None:
    upstream.git("tag", "v1")
    gate.sync()
    agent.commit("a")
    agent.git("push", "-q", "origin", "HEAD:refs/heads/work")
    record_review(gate.path, "work", gate.review("work"))
    for target in ("v1", "origin/main", "HEAD"):
        with pytest.raises(PromotionRefused):
            promote(gate, "work", to=target)
    assert promote(gate, "work") == "work"


def test_usual_names_mislead_nobody() -> None:
    for name in ("main", "feature/x", "v1.2", "gate/fix", "heading", "origins/x", "decade"):
        assert not ambiguity(f"refs/heads/{name}", lambda _: False)
    assert not ambiguity("refs/tags/upstream-1.0", lambda _: False)
