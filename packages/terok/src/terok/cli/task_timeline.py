"""`task timeline`: the events of a task."""

from __future__ import annotations

import time

from terok_util import show, table

from terok.cli.task_rows import age, told
from terok.services.tasks_base import TaskBase

_MAX_DETAILS = 120


def timeline(task: list[str], tail: int | None, as_json: bool) -> int:
    """Print the events of a task, the oldest first."""
    with TaskBase(create=False) as tasks:
        chosen = tasks.find(task, trashed=True)
        events = tasks.store.events_after(0, tasks.store.last_seq(), task=chosen.id)
    shown = events[-tail:] if tail is not None else events
    now = time.time()
    cells = [(f"{age(now - one.at)} ago", one.kind, told(one.data)[:_MAX_DETAILS]) for one in shown]
    show([one._asdict() for one in shown], as_json, table(("WHEN", "WHAT", "DETAILS"), cells) if cells else "nothing")
    return 0
