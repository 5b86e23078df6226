"""Reading what waits for clearance, and answering: jobs for threads."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from terok.services import Tasks
    from terok.services.clearances import Span, Wish


def deciding(wish: str, span: Span, reason: str, *, allow: bool) -> Callable[[Tasks], str]:
    """Return a job that answers a question."""

    def job(service: Tasks) -> str:
        from terok.services.clearances import Clearances

        return Clearances(service).decide(wish, allow=allow, span=span, reason=reason)

    return job


def read_wishes() -> list[Wish]:
    """Return the questions of all containers that run."""
    from terok.services.clearances import Clearances
    from terok.services.tasks_base import TaskBase

    with TaskBase(create=False) as tasks:
        return Clearances(tasks).waiting()
