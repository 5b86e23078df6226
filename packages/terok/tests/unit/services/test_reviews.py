"""Reviews of real commits in a real gate: comments and their places, marks, rounds, and what is sent to the agent."""

from __future__ import annotations

from pathlib import Path

import pytest
from terok.model.anchors import Place
from terok.services import Tasks
from terok_util import UsageError

from .reviewing import Agent, make_agent

LINES = [f"line {number}\n" for number in range(1, 41)]


@pytest.fixture
def agent(tasks: Tasks, tmp_path: Path) -> Agent:
    """Give an agent that has changed line 20 of a file, deleted line 30 and added another file."""
    made = make_agent(tasks, tmp_path / "repos", {"a.txt": "".join(LINES), "same.txt": "same\n"})
    changed = [*LINES[:19], "changed\n", *LINES[20:29], *LINES[30:]]
    made.commit({"a.txt": "".join(changed), "new.txt": "one\ntwo\n"})
    made.push()
    made.reviews.looked(made.reviews.look(made.work))
    return made


def places(agent: Agent) -> dict[int, Place | None]:
    return {one.comment.id: one.now for one in agent.reviews.placed(agent.work)}


def test_comments_keep_their_place_or_are_stale(agent: Agent) -> None:
    first = agent.reviews.comment(agent.work, "a.txt:20", "Why?")
    gone = agent.reviews.comment(agent.work, "a.txt:-30", "Is it not used?")
    lines = agent.reviews.comment(agent.work, "a.txt:35-37", "These too")
    file = agent.reviews.comment(agent.work, "new.txt", "A better name?")
    whole = agent.reviews.comment(agent.work, "", "Well done")
    answer = agent.reviews.comment(agent.work, f"#{first}", "Or is it?")
    assert places(agent)[first] == places(agent)[answer] == Place("a.txt", 20, 20)
    text = (agent.path / "a.txt").read_text()
    agent.commit({"a.txt": "above\n" + text.replace("line 36\n", "line thirty-six\n")})
    agent.git("mv", "new.txt", "renamed.txt")
    agent.commit({})
    agent.push()
    assert places(agent) == {
        first: Place("a.txt", 21, 21),
        gone: Place("a.txt", 30, 30, "old"),
        lines: None,
        file: Place("renamed.txt"),
        whole: Place(),
        answer: Place("a.txt", 21, 21),
    }
    agent.commit({"a.txt": "".join(LINES[10:]), "renamed.txt": None})
    agent.push()
    back = Place("a.txt", 26, 28)
    assert places(agent) == {first: None, gone: None, lines: back, file: None, whole: Place(), answer: None}


def test_an_agent_that_pushes_does_not_change_what_is_meant(agent: Agent) -> None:
    agent.commit({"a.txt": "above\n" + (agent.path / "a.txt").read_text()})
    agent.push()
    number = agent.reviews.comment(agent.work, "a.txt:20", "Why?")
    (comment,) = agent.reviews.comments(agent.work)
    assert comment.quote.lines == ("changed",)
    assert places(agent) == {number: Place("a.txt", 21, 21)}
    agent.git("reset", "-q", "--hard", "HEAD~2")
    agent.commit({"a.txt": "".join(LINES[:19]) + "changed\nother\n"})
    agent.push("--force")
    assert places(agent) == {number: Place("a.txt", 20, 20)}


@pytest.mark.parametrize("where", ["nowhere.txt:1", "a.txt:41", "a.txt:-41", "nowhere.txt", "#99", "a.txt:0"])
def test_a_place_that_is_not_there_takes_no_comment(agent: Agent, where: str) -> None:
    with pytest.raises(UsageError):
        agent.reviews.comment(agent.work, where, "Text")
    assert agent.reviews.comments(agent.work) == []


def test_viewed_files_are_those_that_stay_as_they_are(agent: Agent) -> None:
    agent.reviews.mark_viewed(agent.work, "new.txt")
    agent.reviews.mark_viewed(agent.work, "a.txt")

    def viewed() -> set[str]:
        look = agent.reviews.look(agent.work)
        return {file.path for file in look.changes.files if (file.path, file.new_blob) in look.viewed}

    assert viewed() == {"a.txt", "new.txt"}
    agent.commit({"new.txt": "other\n"})
    agent.push()
    assert viewed() == {"a.txt"}
    agent.commit({"new.txt": "one\ntwo\n"})
    agent.push()
    assert viewed() == {"a.txt", "new.txt"}
    agent.reviews.looked(agent.reviews.look(agent.work))
    agent.reviews.mark_viewed(agent.work, "a.txt", on=False)
    assert viewed() == {"new.txt"}


def since(agent: Agent) -> dict[str, list[str]]:
    """Return the changed lines since the last round, by file."""
    look = agent.reviews.look(agent.work, since_last=True)
    return {
        file.path: [line.kind + line.text for hunk in file.hunks() for line in hunk.lines if line.kind != " "]
        for file in look.changes.files
    }


def test_the_next_round_shows_only_what_is_different_also_across_a_rebase(agent: Agent) -> None:
    with pytest.raises(UsageError):
        since(agent)
    agent.commit({"new.txt": "one\ntwo\nthree\n"})
    agent.push()
    assert since(agent) == {"new.txt": ["+three"]}
    # The upstream changes the same file elsewhere, and another one; the agent rebases and adds a line.
    agent.move_upstream({"a.txt": "upstream\n" + "".join(LINES), "same.txt": "upstream\n"})
    agent.git("rebase", "-q", "origin/main")
    agent.push("--force")
    assert since(agent) == {"new.txt": ["+three"]}
    # Both change one line: the file is shown as a whole, and that is said.
    agent.move_upstream({"new.txt": "theirs\n"})
    agent.git("rebase", "-q", "-X", "theirs", "origin/main")
    agent.push("--force")
    look = agent.reviews.look(agent.work, since_last=True)
    assert "both sides changed the same lines: new.txt" in " ".join(look.since.notes if look.since else ())
    agent.reviews.looked(look)
    assert since(agent), "what was shown last can be shown again"


def test_what_came_upstream_meanwhile_is_named(agent: Agent) -> None:
    assert agent.reviews.look(agent.work).moved is None
    agent.move_upstream({"a.txt": "upstream\n" + "".join(LINES), "same.txt": "upstream\n"})
    moved = agent.reviews.look(agent.work).moved
    assert moved is not None
    assert (moved.target, moved.commits, moved.subjects, moved.files) == ("main", 1, ("Upstream moves",), ("a.txt",))


def test_a_check_is_kept_with_its_commit(agent: Agent) -> None:
    states = [agent.reviews.check(agent.work, command).state for command in ("true", "false", "sleep")]
    assert states == ["passed", "failed", "timed out"]
    tip = agent.git("rev-parse", "HEAD")
    kept = agent.reviews.look(agent.work).checks
    assert (kept[0].command, kept[0].tip, kept[0].output) == ("true", tip, f"$ true on {tip}\n")
