"""Turning an agent's work down, and taking that back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from terok.model.anchors import Place, Quote
from terok.store.reviewing import add_comment, comments, resolve_comment

if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok.services.task_ends import TaskEnds


def carry_out(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Record the decision, and the note, which the agent sees with its next push and its next follow-up."""
    from terok.services.decisions import Decisions

    branch, note = str(details["branch"]), str(details["note"])
    tip = Decisions(tasks).decide(str(details["scope"]), branch, note)
    task_id = str(details.get("task") or "")
    if not task_id or _said(tasks, details):
        return
    with tasks.store.write() as writer:
        add_comment(writer, task_id, branch, tip, "", Place(), Quote(), _text(note), author="reviewer")


def take_back(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Forget the decision: the branch waits for review again, and what was not sent of it is not."""
    from terok.services.decisions import Decisions

    for number in _said(tasks, details):
        with tasks.store.write() as writer:
            resolve_comment(writer, str(details["task"]), number)
    Decisions(tasks).withdraw(str(details["scope"]), str(details["branch"]))


def give_up(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Do nothing: the decision stays."""


def _text(note: str) -> str:
    return f"This is rejected: {note}"


def _said(tasks: TaskEnds, details: Mapping[str, Any]) -> list[int]:
    """Return the comments with the note that are not settled; none without a task."""
    known = comments(tasks.store, str(details.get("task") or ""))
    said = str(details["branch"]), _text(str(details["note"]))
    return [one.id for one in known if one.resolved is None and (one.branch, one.text) == said]
