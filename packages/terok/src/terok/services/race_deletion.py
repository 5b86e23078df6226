"""Deleting a race: every attempt as a task is deleted, in one operation that brings all of it back."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from terok.errors import UnknownTask
from terok.services import deletion
from terok.store.races import change_race, forget_race, race_of

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from terok.services.task_ends import TaskEnds

_MANY = 100_000


def carry_out(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Delete each attempt, and then the race."""
    for part in parts(tasks, details):
        deletion.carry_out(tasks, part)
    _set(tasks, details, trashed=True)


def take_back(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Bring the race and its attempts back."""
    _set(tasks, details, trashed=False)
    for part in parts(tasks, details):
        deletion.take_back(tasks, part)


def give_up(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Remove the attempts that are still in the trash, but for those that a later deletion keeps, and the race."""
    kept = [one.inverse for one in tasks.store.operations(_MANY) if one.state in ("open", "done")]
    for part in parts(tasks, details):
        if {"kind": "task.delete", **part} not in kept:
            deletion.give_up(tasks, part)
    with tasks.store.write() as writer:
        race = race_of(writer, str(details["race"]))
        if race is not None and race.trashed is not None:
            forget_race(writer, race.id)


def parts(tasks: TaskEnds, details: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the details of each attempt whose record is still there, as an operation of its own would have them."""
    for task_id in details["tasks"]:
        try:
            tasks.store.task(str(task_id))
        except UnknownTask:
            continue
        yield {"task": str(task_id)}


def _set(tasks: TaskEnds, details: Mapping[str, Any], *, trashed: bool) -> None:
    with tasks.store.write() as writer:
        race = race_of(writer, str(details["race"]))
        if race is not None and trashed is (race.trashed is None):
            change_race(writer, race.id, "deleted" if trashed else "restored", trashed=writer.at if trashed else None)
