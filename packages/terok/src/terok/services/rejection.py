"""Turning an agent's work down, and taking that back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok.services.tasks import Tasks


def carry_out(tasks: Tasks, details: Mapping[str, Any]) -> None:
    """Record the decision, and the note that the agent sees with its next push."""
    from terok.services.reviews import Reviews

    Reviews(tasks).decide(str(details["scope"]), str(details["branch"]), str(details["note"]))


def take_back(tasks: Tasks, details: Mapping[str, Any]) -> None:
    """Forget the decision: the branch waits for review again."""
    from terok.services.reviews import Reviews

    Reviews(tasks).withdraw(str(details["scope"]), str(details["branch"]))


def give_up(tasks: Tasks, details: Mapping[str, Any]) -> None:
    """Do nothing: the decision stays."""
