"""Comparison of the attempts of a race by what is known of their tasks, from the gate's mirror, and by checks."""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from terok_util import TerokError, safe_text

from terok.errors import TaskError, UnknownRace, UnknownTask
from terok.integrations.sandbox import run_git
from terok.model.changes import parse_numstat, size_of, touched_by_several
from terok.model.ids import is_prefix, normalize
from terok.model.race import NOTHING, Check, Standing, least, ordered
from terok.services.gates import Gates
from terok.services.race_work import check_of, tip_of
from terok.store.races import attempts_of, checks_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from terok.model.changes import FileChange
    from terok.model.race import Attempt, Column, Race
    from terok.model.task import Task
    from terok.services.tasks_base import TaskBase
    from terok.store.reading import Reading

_SECONDS = 120.0
MAX_DIFFERENCE = 64 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Board:
    """A race as a person judges it: its attempts in the order of reading, and what speaks for each."""

    race: Race
    standings: tuple[Standing, ...]
    least: Mapping[Column, tuple[int, ...]]
    """By column the numbers of the attempts that have the least, of those that can be judged."""
    shared: Mapping[str, tuple[int, ...]]
    """Files that several attempts touch, with their numbers."""


def board(tasks: TaskBase, race: Race) -> Board:
    """Return what is known about a race; a gate that does not answer is said with the attempt."""
    gates, words = Gates(tasks), checks_of(tasks.store, race)
    known = {task.id: task for task in tasks.store.tasks(trashed=True)}
    standings, changes = [], {}
    for attempt in attempts_of(tasks.store, race.id):
        one, files = _standing(tasks.store, race, attempt, known.get(attempt.task), gates)
        changes[attempt.number] = files
        standings.append(replace(one, check=_check(tasks, race, one, words.get(attempt.number))))
    shared = {safe_text(path): numbers for path, numbers in touched_by_several(changes).items()}
    return Board(race, tuple(ordered(standings)), least(standings), shared)


def _check(tasks: TaskBase, race: Race, one: Standing, word: str | None) -> Check:
    """Return the check of an attempt, of which `word` says whether it is still to come; None that there is none."""
    if word is None or one.fate == "deleted":
        return Check()
    if word or not one.tip:
        return Check(word or NOTHING)
    done = check_of(tasks.store, race, one.task, one.tip)
    if done is None:
        return Check(NOTHING)
    seconds = done.ended - done.started if done.ended is not None else None
    return Check(done.state, done.exit_code, seconds, done.output)


def attempt_of(tasks: TaskBase, race: Race, word: str) -> Attempt:
    """Return the attempt that a person means by its number, its name or the beginning of its task's id."""
    attempts = attempts_of(tasks.store, race.id)
    begun = normalize(word)
    found = [
        one
        for one in attempts
        if word in (str(one.number), one.name) or (is_prefix(begun) and one.task.startswith(begun))
    ]
    if len(found) != 1:
        raise UnknownRace(
            f"race {race.id} has {'several attempts' if found else 'no attempt'} {safe_text(word, limit=80)}",
            hint=f"see `terok race show {race.id}`; an attempt is said by its number",
        )
    return found[0]


def difference(tasks: TaskBase, race: Race, one: str, other: str) -> tuple[Attempt, Attempt, str]:
    """Return two attempts and the difference between their work, from the mirror; TaskError if one has none."""
    gates = Gates(tasks)
    pair = attempt_of(tasks, race, one), attempt_of(tasks, race, other)
    tips = [_tip_or_fail(tasks, gates, race, attempt) for attempt in pair]
    mirror = gates.open(race.scope).path
    words = ("diff-tree", "-r", "--stat=100", "--patch", "--end-of-options", *tips)
    done = run_git(*words, git_dir=mirror, timeout=_SECONDS, max_output=MAX_DIFFERENCE)
    return *pair, safe_text(done.stdout, multiline=True)


def _tip_or_fail(tasks: TaskBase, gates: Gates, race: Race, attempt: Attempt) -> str:
    try:
        _, tip, _ = tip_of(gates, race, tasks.store.task(attempt.task))
    except UnknownTask:
        tip = ""
    if not tip:
        raise TaskError(
            f"attempt {attempt.number} has nothing in the gate to compare", hint=f"see `terok race show {race.id}`"
        )
    return tip


def _standing(
    store: Reading, race: Race, attempt: Attempt, task: Task | None, gates: Gates
) -> tuple[Standing, tuple[FileChange, ...]]:
    base = Standing(attempt.number, attempt.task, attempt.name, attempt.agent, attempt.model)
    if task is None:
        return replace(base, fate="deleted", reason="its record has expired"), ()
    base = replace(
        base,
        name=task.name,
        agent=task.agent,
        fate="deleted" if task.trashed is not None else "archived" if task.archived is not None else "here",
        word=task.word,
        reason=_reason(store, task),
        over=task.ended is not None,
        kept=race.kept == task.id,
        cost=task.cost,
        seconds=_seconds(task),
    )
    if task.trashed is not None:
        return base, ()
    try:
        branch, tip, findings = tip_of(gates, race, task)
        if not tip:
            return base, ()
        mirror = gates.open(race.scope).path
        files = _changes(mirror, race.base, tip)
        commits = int(run_git("rev-list", "--count", f"{race.base}..{tip}", git_dir=mirror).text.strip())
    except TerokError as error:
        return replace(base, problem=error.message), ()
    found = replace(base, branch=safe_text(branch), tip=tip, commits=commits, findings=findings, size=size_of(files))
    return found, files


def _reason(store: Reading, task: Task) -> str:
    """Return why a task is what it is; of one that could not be started what kept it from that."""
    if task.word == "failed" and task.started is not None:
        told = store.events_after(0, store.last_seq(), task=task.id, kind="start_failed")[-1:]
        if told and told[0].at >= task.started:
            return f"could not be started: {told[0].data.get('error')}"
    return task.reason


def _changes(mirror: Path, base: str, tip: str) -> tuple[FileChange, ...]:
    words = ("diff-tree", "-r", "--numstat", "-z", "--no-renames", "--end-of-options", base, tip)
    return tuple(parse_numstat(run_git(*words, git_dir=mirror, timeout=_SECONDS, max_output=MAX_DIFFERENCE).stdout))


def _seconds(task: Task) -> float | None:
    """Return the seconds of the last run, which goes on if it has not ended; None for one that never began."""
    if task.started is None or (task.ended is not None and task.ended <= task.started):
        return None
    return max(0.0, (task.ended if task.ended is not None else time.time()) - task.started)
