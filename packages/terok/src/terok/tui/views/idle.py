"""Actions on a task that make no sense now, each with the reason. Pure."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from terok.model.task import Task


def idle_actions(task: Task | None) -> dict[str, str]:
    """Return the actions that are certain to be refused; of a task in doubt everything may be tried."""
    if task is None or task.group == "doubt":
        return {}
    runs, waits = task.process == "up", task.word == "queued"
    found: dict[str, str] = {}
    if runs:
        found |= {"restart": "it runs", "archive": "it runs; x stops it"}
    else:
        found["login"] = "it does not run; R starts it"
        if not waits and task.word != "working":
            found["stop"] = "it does not run"
    if not task.branch:
        found |= dict.fromkeys(("review", "promote", "reject"), "it has no branch")
    if not task.race:
        found["race"] = "no race has it"
    return found
