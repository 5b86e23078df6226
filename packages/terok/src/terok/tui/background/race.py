"""Reading races and differences of attempts, for threads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from terok_util import TerokError

from terok.model.race import Race
from terok.services import Races, Tasks
from terok.services.gates import Gates
from terok.services.race_board import Board
from terok.services.review_diffs import Changes, read_changes
from terok.services.tasks_base import TaskBase
from terok.tui.background.review import Pair, Trouble, counted


class Judged(NamedTuple):
    """A race as it stands, and how a person types its tasks."""

    board: Board
    short: Mapping[str, str]


def board_of(task: str) -> Judged | Trouble:
    """Return the race that a task is an attempt of."""
    try:
        with Tasks(create=False) as tasks:
            races = Races(tasks)
            return Judged(races.board(races.of_task(tasks.store.task(task))), tasks.shorts())
    except TerokError as error:
        return Trouble(error.message, error.hint or "")


class Difference(NamedTuple):
    """The changes between two commits, and how many lines each file gains and loses."""

    pair: Pair
    changes: Changes
    counts: Mapping[str, tuple[int, int]]


def compared(race: Race, one: str, other: str, *, ignore_space: bool) -> Difference | Trouble:
    """Return what differs between two commits of a race."""
    try:
        with TaskBase(create=False) as tasks:
            pair = Pair(Gates(tasks).open(race.scope).path, one, other, ignore_space)
        changes = read_changes(pair.mirror, one, other, ignore_space=ignore_space)
        return Difference(pair, changes, counted(changes.files))
    except TerokError as error:
        return Trouble(error.message, error.hint or "")
