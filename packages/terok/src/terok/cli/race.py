"""`race list|show|keep|stop|delete`."""

from __future__ import annotations

import time

from terok_util import Progress, safe_text, show, table

from terok.cli.race_rows import board_document, board_lines, counted, race_document
from terok.cli.review import hints_named
from terok.cli.task_rows import age
from terok.services import Races, Tasks


def list_races(as_json: bool) -> int:
    """Print the races, with how many of their attempts are in which state."""
    now = time.time()
    with Tasks(create=False) as tasks:
        races = Races(tasks)
        found, short = races.all(), races.shorts()
        members = races.members(found)
        asked = {race.id: len(races.attempts(race)) for race in found}
    rows = [
        race_document(race, short[race.id])
        | {"attempts": asked[race.id], "tasks": [one.id for one in members[race.id]]}
        for race in found
    ]
    cells = [
        (
            *(short[race.id], race.project, race.name, asked[race.id], counted(members[race.id]) or "all deleted"),
            f"{age(now - race.created)} ago",
            next((one.name for one in members[race.id] if one.id == race.kept), "-"),
        )
        for race in found
    ]
    titles = ("ID", "PROJECT", "NAME", "ATTEMPTS", "STATES", "BEGAN", "KEPT")
    show(rows, as_json, table(titles, cells) if cells else 'no race yet: `terok race run PROJECT "…"` starts one')
    return 0


def show_race(race: str, diff: list[str] | None, as_json: bool) -> int:
    """Print the comparison of a race, or the difference between two of its attempts."""
    with Tasks(create=False) as tasks:
        races = Races(tasks)
        chosen = races.find(race)
        if diff is not None:
            one, other, text = races.difference(chosen, *diff)
            document = {"race": chosen.id, "attempts": [one.number, other.number], "diff": text}
            title = f"from attempt {one.number} ({one.name}) to attempt {other.number} ({other.name})"
            show(document, as_json, [title, *(text.splitlines() or ["they have brought the same"])])
            return 0
        short, race_short = tasks.shorts(), races.shorts()[chosen.id]
        board = races.board(chosen)
    show(board_document(board, short, race_short), as_json, board_lines(board, short, race_short))
    return 0


def keep(task: str, to: str | None, accept_flags: bool, as_json: bool) -> int:
    """Promote an attempt and archive the others."""
    with Progress() as say, Tasks(say=say) as tasks:
        chosen = tasks.find(task)
        with hints_named(chosen.scope, chosen.branch, task):
            kept = Races(tasks).keep(chosen, to=to, accept_flags=accept_flags)
        say.clear()
    document = {"race": kept.race, "task": kept.task, "target": safe_text(kept.target), "archived": [*kept.archived]}
    said = f"kept: its work is {kept.target} upstream; {len(kept.archived)} archived; `terok undo {kept.operation}`"
    show(document | {"operation": kept.operation}, as_json, said)
    return 0


def stop(race: str, as_json: bool) -> int:
    """Stop what runs or waits of a race; each is tried, and what failed is said."""
    with Progress() as say, Tasks(say=say) as tasks:
        races = Races(tasks)
        chosen = races.find(race)
        short, outcomes = tasks.shorts(), races.stop(chosen)
        say.clear()
    rows = [
        {"task": task, "ok": error is None, "text": "is stopped" if error is None else f"FAILED: {error.message}"}
        for task, error in outcomes.items()
    ]
    show(rows, as_json, [f"task {short[str(row['task'])]} {row['text']}" for row in rows] or "nothing of it runs")
    return int(any(not row["ok"] for row in rows))


def delete(race: str, as_json: bool) -> int:
    """Delete a race with its attempts."""
    with Progress() as say, Tasks(say=say) as tasks:
        races = Races(tasks)
        chosen = races.find(race)
        number = races.delete(chosen)
        say.clear()
    said = f"race {chosen.name} is deleted; `terok undo {number}` brings it back"
    show({"race": chosen.id, "operation": number}, as_json, said)
    return 0
