from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok_sandbox.gate import invoke, review_handlers
from terok_sandbox.gate.errors import InspectionPolicyError, MirrorError
from terok_sandbox.gate.git_gate import GitGate
from terok_sandbox.gate.inspect.policy import load_policy, save_policy
from terok_sandbox.gate.layout import reviews_path
from terok_sandbox.gate.new_work import new_work
from terok_sandbox.gate.review import Signature, person, remarks

if TYPE_CHECKING:
    from conftest import Repo


def test_what_a_branch_brings(agent: Repo, gate: GitGate, upstream: Repo) -> None:
    agent.commit("work.txt", "hello \x1b[31mred\x1b]0;title\x07\n", "add \x1b[2Jwork")
    agent.git("push", "-q", "origin", "HEAD:refs/heads/work")
    upstream.commit("README", "moved on\n")
    gate.sync()
    review = gate.review("work").review
    assert [commit.author for commit in review.commits] == ["A <a@example.org>"]
    assert "work.txt | 1 +" in review.diffstat
    assert "+hello" in review.patch
    assert "README" not in review.patch, "only what the branch did since it left"
    shown = review.patch + review.diffstat + "".join(commit.subject for commit in review.commits)
    assert "\x1b" not in shown
    assert "\x07" not in shown


@pytest.mark.attack("UI-1")
def test_who_commits_say_they_are_by(
    agent: Repo, gate: GitGate, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """A commit in the reviewer's name, one with another committer and one from the future are shown as such."""
    config = tmp_path / "gitconfig"
    config.write_text('[core]\n\tname = Nobody\n[user]\n\tname = "The Person"\n\temail = me@example.org # mine\n')
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    for who, when in (("C <c@example.org>", "now"), ("the person <x@x>", "now"), ("A <ME@example.org>", "2098-01-01")):
        agent.git("commit", "-q", "--allow-empty", "--author", who, "--date", when, "-m", "x")
    agent.git("push", "-q", "origin", "HEAD:refs/heads/work")
    future, mine, plain = gate.review("work").review.commits
    assert plain.remarks == ()
    assert mine.remarks == ("in your name", "committed by C <c@example.org>")
    assert future.remarks[:2] == mine.remarks
    assert future.remarks[2].startswith("written in the future: 2098-01-01T")
    monkeypatch.setattr(review_handlers, "base_directory", lambda: gate.path.parent)
    review_handlers.review(scope="proj-1", branch="work")
    assert "! in your name" in capsys.readouterr().out


@given(st.binary(max_size=200), st.text(max_size=30))
def test_any_configuration_and_any_date(raw: bytes, when: str) -> None:
    with TemporaryDirectory() as place:
        file = Path(place) / "config"
        file.write_bytes(b"[user]\n" + raw)
        person({"GIT_CONFIG_GLOBAL": str(file)})
    assert remarks(Signature("a", "b", when), Signature("a", "b", "2020-01-01T00:00:00+00:00"), frozenset()) is not None


def test_attributes_that_agents_push_hide_nothing(agent: Repo, gate: GitGate) -> None:
    # In a bare repository git 2.43 to 2.45 obey those of HEAD unasked, later ones when asked to, older ones never.
    agent.git("--git-dir", str(gate.path), "config", "attr.tree", "HEAD")
    agent.commit(".gitattributes", "* -diff\n")
    agent.git("push", "-q", "origin", "main")
    agent.commit("run.py", "evil\n")
    agent.git("push", "-q", "origin", "HEAD:refs/heads/work")
    assert "+evil" in gate.review("work").review.patch


def test_bases(agent: Repo, gate: GitGate) -> None:
    agent.commit("one")
    agent.git("push", "-q", "origin", "main", "HEAD:refs/heads/first")
    agent.commit("two")
    agent.git("push", "-q", "origin", "HEAD:refs/heads/second")
    assert len(gate.review("main").review.commits) == 1, "the upstream's branch of that name is the base"
    assert len(gate.review("second").review.commits) == 2
    agent.git("checkout", "-q", "--orphan", "lone")
    agent.git("commit", "-q", "-m", "lone")
    agent.git("push", "-q", "origin", "lone")
    lone = gate.review("lone").review
    assert (lone.base, len(lone.commits)) == (None, 1)
    assert "README" in lone.patch
    for branch in ("none", "--output=/tmp/x", "--all"):
        with pytest.raises(MirrorError, match="no branch"):
            gate.review(branch)


@pytest.mark.attack("UI-1")
def test_no_encoding_of_a_commit_hides_it(agent: Repo, gate: GitGate) -> None:
    """UI-1: a commit may claim an encoding in which its author or subject has a line end."""
    agent.git("config", "i18n.commitEncoding", "UTF-7")
    when = dict.fromkeys(("GIT_AUTHOR_DATE", "GIT_COMMITTER_DATE"), "1700000000 -0100")  # "+" would be no UTF-7
    author = {**agent.env, **when, "GIT_AUTHOR_NAME": "A+AAo-B+AAA-C"}
    (agent.path / ".envrc").write_text("x\n")
    agent.git("add", ".envrc")
    subprocess.run(["git", "-C", str(agent.path), "commit", "-q", "-m", "x+AAo-y"], env=author, check=True)
    agent.git("push", "-q", "origin", "HEAD:refs/heads/work")
    seen = gate.review("work")
    assert [commit.oid for commit in seen.review.commits] == [agent.git("rev-parse", "HEAD")]
    assert "+x" in seen.review.patch
    assert [finding.rule for finding in seen.report.flagged] == ["shell-environment"]


def test_what_was_computed_counts_for_its_commits_and_its_policy_alone(
    agent: Repo, gate: GitGate, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[str] = []
    plain = invoke.git_argv
    monkeypatch.setattr(invoke, "git_argv", lambda verb, *rest: calls.append(verb) or plain(verb, *rest))
    agent.commit(".envrc", "x\n", "one")
    agent.git("push", "-q", "origin", "HEAD:refs/heads/work")

    def seen() -> tuple[list[tuple[int, int]], list[str], list[str]]:
        calls.clear()
        rows = [(item.commits, item.flags) for item in new_work(gate.path)]
        reviewed = gate.review("work")
        found = [finding.rule for finding in reviewed.report.flagged]
        assert reviewed.review == gate.review("work").review
        return rows, found, [commit.subject for commit in reviewed.review.commits]

    first = seen()
    assert first == ([(1, 1)], ["shell-environment"], ["one"])
    assert "cat-file" in calls
    assert seen() == first
    assert set(calls) == {"for-each-ref"}, "git is asked for the refs alone"
    for file in (reviews_path(gate.path) / "cache").iterdir():
        file.write_bytes(b"{")
    assert seen() == first
    save_policy(gate.path, load_policy(gate.path).changed({"shell-environment": "allow"}))
    assert seen() == ([(1, 0)], [], ["one"])
    agent.commit("more", "x\n", "two")
    agent.git("push", "-q", "origin", "HEAD:refs/heads/work")
    assert seen() == ([(2, 0)], [], ["two", "one"])
    assert {file.stat().st_mode & 0o777 for file in (reviews_path(gate.path) / "cache").iterdir()} == {0o600}


def test_a_policy_of_any_size_is_not_read_whole(agent: Repo, gate: GitGate) -> None:
    agent.commit("work", "x\n", "one")
    agent.git("push", "-q", "origin", "HEAD:refs/heads/work")
    gate.review("work")
    with (gate.path / "inspection.json").open("wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(InspectionPolicyError, match=r"inspection\.json.*larger than"):
        gate.review("work")
