"""Findings of the gate, and of the checks of reviews, in the work of a task, as SARIF."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from terok.errors import TaskError
from terok.integrations.sandbox import SandboxConfig, audit_logs, findings_sarif, read_audit_end
from terok.model.check_sarif import checks_as_run
from terok.services.gates import Gates
from terok.services.timeline import MAX_ROWS
from terok.store.reviewing import check_runs

if TYPE_CHECKING:
    from terok.model.task import Task
    from terok.services.tasks_base import TaskBase


def findings_document(tasks: TaskBase, task: Task, *, version: str) -> dict[str, Any]:
    """Return the findings in what a task has in the gate, in the pushes that were refused, and of its checks.

    Raises:
        GateError: The gate cannot be read.
    """
    gates = Gates(tasks)
    try:
        work = gates.of_task(task)
    except TaskError:  # nothing of it was pushed
        report = None
    else:
        report = gates.open(work.scope).review(work.branch).report
    place = audit_logs(SandboxConfig.load(), task.container)["gate"] if task.container else None
    rows = read_audit_end(place, limit=MAX_ROWS).rows if place is not None else ()
    log = findings_sarif(report, rows, version=version)
    if runs := check_runs(tasks.store, task.id):
        log["runs"].append(checks_as_run(runs, version=version))
    return log
