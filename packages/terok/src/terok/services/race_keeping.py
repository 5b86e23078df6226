"""Keeping one attempt of a race: it is promoted and the others are archived, in one operation that undoes all of it."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Any

from terok.integrations.sandbox import GateError
from terok.services import archive
from terok.services.decisions import Decisions
from terok.services.race_deletion import parts
from terok.store.races import change_race, race_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from terok.integrations.sandbox import GitGate
    from terok.services.task_ends import TaskEnds


def carry_out(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Promote the attempt, unless that is done, and archive the others; one that runs is stopped first."""
    branch, tip, target = (str(details[name]) for name in ("branch", "tip", "target"))
    gates = Decisions(tasks)
    gate = gates.open(str(details["scope"]))
    if not _is_kept(tasks, details) and not gate.settle_promotion(branch, tip, target):
        gate.promote(branch, to=target, accept_flags=bool(details["accept_flags"]))
    _set(tasks, details, kept=True)
    gates.refresh(gate.scope)
    for part in parts(tasks, details):
        task = tasks.store.task(part["task"])
        if task.trashed is not None:
            continue
        if task.ended is None or task.process == "up" or any(row.task == task.id for row in tasks.store.queue()):
            tasks.stop(task, by="the choice of another attempt")
        archive.carry_out(tasks, part)


def take_back(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Take the promotion back, and bring the others back; GateError if the upstream has gone on meanwhile."""
    tip, target = str(details["tip"]), str(details["target"])
    gates = Decisions(tasks)
    gate = gates.open(str(details["scope"]))
    if _is_kept(tasks, details) or _was_sent(gate, details):
        gate.take_promotion_back(tip, target, details["before"])
        _set(tasks, details, kept=False)
        gates.refresh(gate.scope)
    for part in parts(tasks, details):
        archive.take_back(tasks, part)


def give_up(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Do nothing: what was promoted stays, and archived tasks are deleted when their time is over."""


def _was_sent(gate: GitGate, details: Mapping[str, Any]) -> bool:
    """Whether it was promoted although nobody could record that any more."""
    with suppress(GateError):
        return gate.settle_promotion(str(details["branch"]), str(details["tip"]), str(details["target"]))
    return False


def _is_kept(tasks: TaskEnds, details: Mapping[str, Any]) -> bool:
    race = race_of(tasks.store, str(details["race"]))
    return race is not None and race.kept == details["task"]


def _set(tasks: TaskEnds, details: Mapping[str, Any], *, kept: bool) -> None:
    if kept is not _is_kept(tasks, details):
        with tasks.store.write() as writer:
            change_race(writer, str(details["race"]), "kept" if kept else "open", kept=details["task"] if kept else "")
