"""Sending reviewed work upstream, and taking that back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any, Final

from terok_util import TerokError, safe_text

from terok.integrations.sandbox import PromotionRefused

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from terok.integrations.sandbox import GitGate
    from terok.services.task_ends import TaskEnds

_SENDING: Final = "sending"
"""The mark of a promotion from before it is sent until it is known what has come of that."""


def details_of(
    gate: GitGate,
    branch: str,
    tip: str,
    target: str,
    *,
    task: str,
    accept_flags: bool,
    sources: Sequence[tuple[str, str]] = (),
) -> dict[str, Any]:
    """Return what an operation has to know that sends `branch` of `task` ("" for nobody's) to the upstream's `target`.

    `sources` are the branches with their tips that it was put together of.
    """
    return {
        "scope": gate.scope,
        "branch": branch,
        "tip": tip,
        "target": target,
        "before": gate.upstream_tip(target),
        "accept_flags": accept_flags,
        "task": task,
        "sources": [list(one) for one in sources],
    }


def carry_out(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Send the branch, unless it was sent before a kill; then put the branches away that it was made of.

    `details` are those of `details_of`.
    """
    decisions = _decisions(tasks)
    gate = decisions.open(str(details["scope"]))
    _send(tasks, gate, details)
    sources = details.get("sources") or ()
    for name, old in sources:
        gate.retire(name, old)
    if sources:
        gate.retire(str(details["branch"]), str(details["tip"]))
    decisions.refresh(gate.scope)


def take_back(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Set the upstream's branch back, if it was sent from here; the work waits for review again."""
    decisions = _decisions(tasks)
    gate = decisions.open(str(details["scope"]))
    tip, target = str(details["tip"]), str(details["target"])
    mark = tasks.store.setting(_mark(details))
    if mark == _SENDING:  # whoever sent it was killed before it was known what came of that
        there = gate.settle_promotion(str(details["branch"]), tip, target)
        tasks.say(f"note: it was cut off: {safe_text(target)} of the upstream {'had it' if there else 'is not at it'}")
    if mark:
        gate.take_promotion_back(tip, target, details["before"])
    for name, old in details.get("sources") or ():
        gate.revive(name, old)
    give_up(tasks, details)
    decisions.refresh(gate.scope)


def give_up(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Forget that it was sent from here: it stays."""
    with tasks.store.write() as writer:
        writer.set(_mark(details), None)


def _send(tasks: TaskEnds, gate: GitGate, details: Mapping[str, Any]) -> None:
    """Send the branch, unless the upstream has it, and record whether it has it from here.

    The mark is written before, so that what a kill leaves can be told from what somebody else has sent.
    """
    branch, tip, target = str(details["branch"]), str(details["tip"]), str(details["target"])
    begun = bool(tasks.store.setting(_mark(details)))
    there = gate.settle_promotion(branch, tip, target)
    if not there:
        with tasks.store.write() as writer:
            writer.set(_mark(details), _SENDING)
        try:
            gate.promote(branch, to=target, accept_flags=bool(details["accept_flags"]), interactive=sys.stdin.isatty())
        except PromotionRefused:
            give_up(tasks, details)
            raise
        except BaseException:
            if not _has_arrived(gate, branch, tip, target):
                give_up(tasks, details)
            raise
    with tasks.store.write() as writer:
        if details["task"] and writer.setting(_mark(details)) in (None, _SENDING):
            writer.event(str(details["task"]), "promoted", branch=branch, target=target, tip=tip)
        writer.set(_mark(details), begun or not there)


def _has_arrived(gate: GitGate, branch: str, tip: str, target: str) -> bool:
    """Whether the upstream has in spite of an error what was sent; what cannot be asked has not taken it."""
    try:
        return gate.settle_promotion(branch, tip, target)
    except TerokError:
        return False


def _mark(details: Mapping[str, Any]) -> str:
    """Return the setting that says whether this promotion was sent from here, so that only that is taken back."""
    return f"promoted/{details['scope']}/{details['target']}/{details['tip']}"


def _decisions(tasks: TaskEnds) -> Any:
    from terok.services.decisions import Decisions

    return Decisions(tasks)
