"""What the screens of races have read in threads."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from terok_util import TerokError

from terok.model.race import Race
from terok.services import Races, Reviews, Tasks
from terok.services.race_board import Board
from terok.services.review_diffs import Changes, read_changes
from terok.tui.background.review import Pair, Trouble


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


def compared(race: Race, one: str, other: str, *, ignore_space: bool) -> tuple[Pair, Changes] | Trouble:
    """Return what differs between two commits of a race."""
    try:
        with Tasks(create=False) as tasks:
            pair = Pair(Reviews(tasks).open(race.scope).path, one, other, ignore_space)
        return pair, read_changes(pair.mirror, one, other, ignore_space=ignore_space)
    except TerokError as error:
        return Trouble(error.message, error.hint or "")
