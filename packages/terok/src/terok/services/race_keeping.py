"""Keeping one attempt of a race: it is promoted and the others are archived, in one operation that undoes all of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from terok.services import archive, promotion
from terok.services.race_deletion import parts
from terok.store.races import change_race, race_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok.services.task_ends import TaskEnds


def carry_out(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Promote the attempt, unless that is done, and archive the others; one that runs is stopped first.

    `details` are those of a promotion, with the race, and with the others as `tasks`.
    """
    promotion.carry_out(tasks, details)
    _set(tasks, details, kept=True)
    for part in parts(tasks, details):
        task = tasks.store.task(part["task"])
        if task.trashed is not None or task.desired == "trashed":
            continue
        if task.ended is None or task.process == "up" or any(row.task == task.id for row in tasks.store.queue()):
            tasks.stop(task, by="the choice of another attempt")
        archive.carry_out(tasks, part)


def take_back(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Take the promotion back, and bring the others back; GateError if the upstream has gone on meanwhile."""
    promotion.take_back(tasks, details)
    _set(tasks, details, kept=False)
    for part in parts(tasks, details):
        archive.take_back(tasks, part)


def give_up(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Forget how to take it back: what was promoted stays, and archived tasks go when their time is over."""
    promotion.give_up(tasks, details)


def _set(tasks: TaskEnds, details: Mapping[str, Any], *, kept: bool) -> None:
    with tasks.store.write() as writer:
        race = race_of(writer, str(details["race"]))
        if race is not None and kept is not (race.kept == details["task"]):
            change_race(writer, race.id, "kept" if kept else "open", kept=details["task"] if kept else "")
