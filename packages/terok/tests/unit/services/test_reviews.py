"""Reviews of real commits in a real gate: comments and their places, marks, rounds, and what is sent to the agent."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from terok.model.anchors import Place
from terok.services import Tasks

from .reviewing import Agent, make_agent

LINES = [f"line {number}\n" for number in range(1, 41)]


@pytest.fixture
def agent(tasks: Tasks, tmp_path: Path) -> Iterator[Agent]:
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
