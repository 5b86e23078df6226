"""`terok status`: what needs a person, and how many tasks are in which group."""

from __future__ import annotations

import time

from terok_util import show, table

from terok.cli.task_rows import TITLES, document, ordered, rows
from terok.model.ids import short_ids
from terok.model.words import ATTENTION, GROUP_ORDER
from terok.model.words import TITLES as GROUPS
from terok.store import Store


def status(quiet: bool, as_json: bool) -> int:
    """Print what needs a person, and how many tasks are in each group."""
    now = time.time()
    with Store(create=False) as store:
        tasks = [task for task in store.tasks(now=now) if task.archived is None]
        short = short_ids(one.id for one in store.candidates(trashed=True))
    counts = {group: sum(task.group == group for task in tasks) for group in GROUP_ORDER}
    mine = [task for task in ordered(tasks) if task.word in ATTENTION or task.group == "doubt"]
    needing = counts["needs"] + counts["review"]
    if quiet:
        show({"needing": needing}, as_json, str(needing))
        return 0
    line = ", ".join(f"{count} {GROUPS[group].lower()}" for group, count in counts.items() if count) or "no tasks"
    lines = [line, *(table(TITLES, rows(mine, short, now)) if mine else ())]
    show(
        {"needing": needing, "counts": counts, "tasks": [document(task, short[task.id]) for task in mine]},
        as_json,
        lines,
    )
    return 0
