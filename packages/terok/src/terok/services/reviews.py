"""The use cases of reviews, together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok.services.decisions import Decisions

if TYPE_CHECKING:
    from terok.integrations.sandbox import SandboxConfig
    from terok.services.gates import Work
    from terok.services.tasks import Tasks


class Reviews(Decisions):
    """Everything that is done about the work of agents; see the classes it is made of."""

    def __init__(self, tasks: Tasks, config: SandboxConfig | None = None) -> None:
        super().__init__(tasks, config)
        self._operations = tasks.operations

    def reject(self, work: Work, note: str) -> int:
        """Turn a branch down so that it can be undone; returns the number of the operation."""
        details = {"scope": work.scope, "branch": work.branch, "note": note, "task": work.task}
        summary = f"rejected {work.branch} of {work.scope}"
        return self._operations.run("reject", work.task or work.branch, summary, "review.reject", details)
