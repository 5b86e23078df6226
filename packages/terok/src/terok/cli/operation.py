"""`undo` and `op log`."""

from __future__ import annotations

import time

from terok_util import Progress, show, table

from terok.cli.task_rows import age
from terok.services import Tasks
from terok.store.counting import counted_now

_SHOWN = 20


def undo(number: int | None, as_json: bool) -> int:
    """Take an operation back and say which."""
    with Progress() as say, Tasks(say=say) as tasks:
        operation = tasks.operations.undo(number)
        say.clear()
        shown = {"id": operation.id, "verb": operation.verb, "subject": operation.subject}
        show(shown, as_json, f"taken back: {operation.summary}")
    return 0


def log(everything: bool, as_json: bool) -> int:
    """Print operations, the newest first."""
    now = time.time()
    with Tasks(create=False) as tasks:
        operations = tasks.operations.log(None if everything else _SHOWN)
        ahead = now - counted_now(tasks.store)
    rows = [
        {
            "id": one.id,
            "at": one.at,
            "verb": one.verb,
            "subject": one.subject,
            "summary": one.summary,
            "state": one.state,
            "expires": None if one.expires is None else one.expires + ahead,
        }
        for one in operations
    ]
    cells = [
        (one.id, f"{age(now - one.at)} ago", one.state, one.summary, _left(one.state, one.expires, now - ahead))
        for one in operations
    ]
    show(rows, as_json, table(("N", "WHEN", "STATE", "WHAT", "CAN BE UNDONE FOR"), cells) if cells else "nothing yet")
    return 0


def _left(state: str, expires: float | None, now: float) -> str:
    if state not in ("open", "done"):
        return ""
    return "ever" if expires is None else age(expires - now)
