"""Reviews in threads: looking, counting, laying a file out, and what a person decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

from terok_util import TerokError

from terok.errors import MalformedDiff
from terok.model.hunks import FileDiff
from terok.services.gates import Gates
from terok.services.review_diffs import read_changes
from terok.services.review_look import EMPTY_TREES, Look, look_at, record_look, refreshed
from terok.services.tasks_base import TaskBase
from terok.tui.views.review_remarks import Remark
from terok.tui.views.review_sheet import Sheet, sheet

_TOO_LARGE = "too large to be shown at once, and what is new in it cannot be read by itself: look at all changes"


class Trouble(NamedTuple):
    """Why there is nothing to show, and what can be done about it."""

    message: str
    hint: str


class Pair(NamedTuple):
    """Two commits of a mirror between which single files can be read."""

    mirror: Path
    old: str
    new: str
    ignore_space: bool = False


class Found(NamedTuple):
    """A look, and how many lines each file gains and loses."""

    look: Look
    counts: Mapping[str, tuple[int, int]]


def look(task: str, *, since: bool, ignore_space: bool) -> Found | Trouble:
    """Return what a task brings; nothing is recorded before it has been drawn."""
    try:
        with TaskBase(create=False) as tasks:
            gates = Gates(tasks)
            work = gates.find(task)
            gate = gates.open(work.scope)
            found = look_at(tasks.store, gate, work, since_last=since, ignore_space=ignore_space)
            return Found(found, counted(found.changes.files))
    except TerokError as error:
        return Trouble(error.message, error.hint or "")


def pair_of(look: Look, *, ignore_space: bool) -> Pair | None:
    """Return the commits of a look; None for what is different since a round, which may be between no two commits."""
    reviewed = look.reviewed
    if look.since is not None:
        return None
    return Pair(reviewed.mirror, reviewed.base or EMPTY_TREES[len(reviewed.tip)], reviewed.tip, ignore_space)


def record(look: Look) -> None:
    """Record that a person was shown a branch."""
    with TaskBase() as tasks:
        record_look(tasks.store, Gates(tasks).open(look.work.scope), look)


def counted(files: Sequence[FileDiff]) -> dict[str, tuple[int, int]]:
    """Return how many lines each file gains and loses, of those that have any."""
    return {file.path: file.counts() for file in files if file.patch is not None}


def laid_out(
    file: FileDiff, remarks: Sequence[Remark], cells: int, *, split: bool, pair: Pair | None, whole: bool
) -> tuple[FileDiff, Sheet]:
    """Return a file with its lines, which are read by themselves if the whole was too large, and its rows."""
    missing = ""
    if file.patch is None and not whole:
        if pair is None:
            missing = _TOO_LARGE
        else:
            paths = {file.path, file.old_path}
            found = read_changes(pair.mirror, pair.old, pair.new, ignore_space=pair.ignore_space, paths=paths)
            file = found.file(file.path) or file
    try:
        return file, sheet(file, remarks, cells, split=split, missing=missing)
    except MalformedDiff as error:
        nothing = replace(file, patch=None)
        return nothing, sheet(nothing, remarks, cells, split=split, missing=error.message)


def records(look: Look) -> tuple[Look, bool]:
    """Return a look with what is recorded now, and whether the branch has moved on since."""
    with TaskBase(create=False) as tasks:
        tip = Gates(tasks).open(look.work.scope).branch_heads().get(look.work.branch, "")
        return refreshed(tasks.store, look), tip not in ("", look.reviewed.tip)


def comment(look: Look, where: str, text: str, tasks: Any) -> tuple[Look, int]:
    """Write a comment, and return the look with it, and its number."""
    from terok.services import Reviews  # a look starts sooner without all that can be done

    number = Reviews(tasks).comment(look.work, where, text)
    return refreshed(tasks.store, look), number


def resolve(look: Look, number: int, tasks: Any) -> Look:
    """Settle a comment."""
    from terok.services import Reviews

    Reviews(tasks).resolve(look.work, number)
    return refreshed(tasks.store, look)


def mark(look: Look, path: str, tasks: Any, *, on: bool) -> Look:
    """Mark a file as viewed, or no longer."""
    from terok.services import Reviews

    Reviews(tasks).mark_viewed(look.work, path, on=on)
    return refreshed(tasks.store, look)
