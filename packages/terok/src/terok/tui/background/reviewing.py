"""Reading a review, and what a person says about it: jobs for threads."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from terok.tui.views.review import Sheet, sheet

if TYPE_CHECKING:
    from terok.services import Reviews, Tasks
    from terok.services.gates import Work


def read_sheet(task_id: str, *, since: bool, ignore_space: bool) -> Sheet:
    """Return a review of a task's work; that counts as a look at all of it, as `terok review` does.

    Raises:
        UsageError: Nothing was reviewed before, and `since` asks for what is different.
        TaskError: Nothing waits for review.
        GateError: The gate cannot be read.
    """
    from terok.services import Reviews, Tasks

    with Tasks() as service:
        reviews = Reviews(service)
        look = reviews.look(reviews.find(task_id), since_last=since, ignore_space=ignore_space)
        made = sheet(look, time.time())
        reviews.looked(look)
    return made


def about_work(task_id: str, deed: Callable[[Reviews, Work], Any]) -> Callable[[Tasks], Any]:
    """Return a job that does something about what a task brings."""

    def job(service: Tasks) -> Any:
        from terok.services import Reviews

        reviews = Reviews(service)
        return deed(reviews, reviews.find(task_id))

    return job
