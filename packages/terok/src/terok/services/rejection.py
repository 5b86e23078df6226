"""Turning an agent's work down, and taking that back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok.services.task_ends import TaskEnds


def carry_out(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Record the decision, and the note that the agent sees with its next push."""
    from terok.services.decisions import Decisions

    Decisions(tasks).decide(str(details["scope"]), str(details["branch"]), str(details["note"]))


def take_back(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Forget the decision: the branch waits for review again."""
    from terok.services.decisions import Decisions

    Decisions(tasks).withdraw(str(details["scope"]), str(details["branch"]))


def give_up(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Do nothing: the decision stays."""
