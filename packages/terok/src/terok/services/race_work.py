"""The work of one attempt: where it is in the gate, and the last check of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok.errors import TaskError
from terok.store.reviewing import check_runs

if TYPE_CHECKING:
    from terok.model.race import Race
    from terok.model.review import CheckRun
    from terok.model.task import Task
    from terok.services.gates import Gates
    from terok.store.reading import Reading


def tip_of(gates: Gates, race: Race, task: Task) -> tuple[str, str, int | None]:
    """Return branch, tip and number of findings of what a task has in the gate; empty if that is nothing.

    Nobody counts the findings of what has been promoted. Raises GateError if the gate cannot be read.
    """
    try:
        work = gates.of_task(task)
    except TaskError:
        return "", "", None
    if work.work is not None:
        return work.branch, work.work.tip, work.work.flags
    tip = gates.open(work.scope).branch_heads().get(work.branch, "")
    return (work.branch, tip, None) if tip != race.base else ("", "", None)


def check_of(store: Reading, race: Race, task_id: str, tip: str) -> CheckRun | None:
    """Return the last run of a race's check on a commit of an attempt, whoever asked for it; None without one."""
    return next((one for one in reversed(check_runs(store, task_id, tip)) if one.command == race.command), None)
