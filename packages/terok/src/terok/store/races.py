"""The rows of races: what was asked for, and whose check has run. An attempt's own row outlives its task."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from terok.model.race import RUNNING, WANTED, Attempt, Race
from terok.store.lease import held, own_lease

if TYPE_CHECKING:
    from collections.abc import Iterable

    from terok.store.reading import Reading
    from terok.store.writer import Writer

_RACE = ", ".join(Race._fields)
_ATTEMPT = ", ".join(Attempt._fields)
_DUE = """
FROM attempts JOIN tasks ON tasks.id = attempts.task JOIN races ON races.id = attempts.race
WHERE races.command <> '' AND races.trashed IS NULL AND tasks.trashed IS NULL AND tasks.archived IS NULL
AND tasks.started IS NOT NULL AND tasks.ended IS NOT NULL AND tasks.process <> 'up'
AND tasks.desired NOT IN ('archived', 'trashed') AND attempts.checked IS NOT tasks.started
"""
"""The attempts whose last run has ended and has not been checked."""


def all_races(store: Reading) -> list[Race]:
    """Return the races that are not deleted, the newest first."""
    found = store.rows(f"SELECT {_RACE} FROM races WHERE trashed IS NULL ORDER BY created DESC, id")  # noqa: S608
    return [Race._make(row) for row in found]


def race_of(store: Reading, race_id: str) -> Race | None:
    """Return a race, None if there is none, or none any more."""
    found = store.rows(f"SELECT {_RACE} FROM races WHERE id = ?", race_id)  # noqa: S608
    return Race._make(found[0]) if found else None


def attempts_of(store: Reading, race_id: str) -> list[Attempt]:
    """Return the attempts of a race by their numbers."""
    found = store.rows(f"SELECT {_ATTEMPT} FROM attempts WHERE race = ? ORDER BY number", race_id)  # noqa: S608
    return [Attempt._make(row) for row in found]


def checks_of(store: Reading, race: Race) -> dict[int, str]:
    """Return by the number of each attempt whether its check is `wanted`, `running` or over (""); without one nothing.

    An attempt whose task is gone has none to come.
    """
    if not race.command:
        return {}
    found = store.rows(
        "SELECT number, attempts.lease, id IS NOT NULL AND (checked IS NULL OR ended IS NULL OR checked IS NOT started)"
        " FROM attempts LEFT JOIN tasks ON id = task WHERE attempts.race = ?",
        race.id,
    )
    return {number: RUNNING if held(lease) else WANTED if open_ else "" for number, lease, open_ in found}


def due_checks(store: Reading) -> list[str]:
    """Return the tasks whose check is to be run now, and that nobody alive runs."""
    found = store.rows(f"SELECT attempts.task, attempts.lease {_DUE} ORDER BY tasks.ended")
    return [task for task, lease in found if not held(lease)]


def add_race(writer: Writer, race: Race, attempts: Iterable[Attempt]) -> None:
    """Record a race with its attempts, whose tasks are recorded in the same transaction."""
    writer.insert("races", race._asdict())
    for attempt in attempts:
        writer.insert("attempts", attempt._asdict())
    writer.event("", "race", id=race.id, name=race.name, state="created")


def change_race(writer: Writer, race_id: str, state: str, /, **columns: Any) -> None:
    """Set `kept` or `trashed` of a race, and tell of its new state."""
    names = ", ".join(f"{name} = ?" for name in columns)
    writer.rows(f"UPDATE races SET {names} WHERE id = ?", *columns.values(), race_id)  # noqa: S608
    writer.event("", "race", id=race_id, state=state)


def forget_race(writer: Writer, race_id: str) -> None:
    """Remove a race and its attempts for good; their tasks are not touched."""
    writer.rows("DELETE FROM races WHERE id = ?", race_id)
    writer.event("", "race", id=race_id, state="forgotten")


def take_check(writer: Writer, task_id: str) -> float | None:
    """Let this process run the check of a task, unless another one does; return which run it is about, else None."""
    if task_id not in due_checks(writer):
        return None
    writer.rows("UPDATE attempts SET lease = ? WHERE task = ?", json.dumps(own_lease()), task_id)
    return writer.task(task_id).started


def end_check(writer: Writer, task_id: str, run: float) -> bool:
    """Record that the check of `run` is over, unless that is recorded; returns whether this was the first to."""
    done = writer.rows(
        "UPDATE attempts SET checked = ?1, lease = NULL WHERE task = ?2 AND checked IS NOT ?1 RETURNING task",
        *(run, task_id),
    )
    if done:
        writer.event(task_id, "attempt_checked")
    return bool(done)


def drop_check(writer: Writer, task_id: str) -> None:
    """Let somebody else run the check of a task, which is not over."""
    writer.rows("UPDATE attempts SET lease = NULL WHERE task = ?", task_id)
