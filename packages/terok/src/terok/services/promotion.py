"""Sending reviewed work upstream, and taking that back."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from terok.integrations.sandbox import GitGate
    from terok.services.task_ends import TaskEnds


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
    branch, target, tip = str(details["branch"]), str(details["target"]), str(details["tip"])
    if not gate.settle_promotion(branch, tip, target):
        gate.promote(branch, to=target, accept_flags=bool(details["accept_flags"]), interactive=sys.stdin.isatty())
    with tasks.store.write() as writer:
        writer.set(_sent(details), True)
        if details["task"]:
            writer.event(str(details["task"]), "promoted", branch=branch, target=target, tip=tip)
    sources = details.get("sources") or ()
    for name, old in sources:
        gate.retire(name, old)
    if sources:
        gate.retire(branch, tip)
    decisions.refresh(gate.scope)


def take_back(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Set the upstream's branch back, if we have sent it; the work waits for review again."""
    decisions = _decisions(tasks)
    gate = decisions.open(str(details["scope"]))
    if tasks.store.setting(_sent(details)):
        gate.take_promotion_back(str(details["tip"]), str(details["target"]), details["before"])
    for name, tip in details.get("sources") or ():
        gate.revive(name, tip)
    give_up(tasks, details)
    decisions.refresh(gate.scope)


def give_up(tasks: TaskEnds, details: Mapping[str, Any]) -> None:
    """Forget that it was sent from here: it stays."""
    with tasks.store.write() as writer:
        writer.set(_sent(details), None)


def _sent(details: Mapping[str, Any]) -> str:
    """Return the setting that says that this promotion has reached the upstream, so that only that is taken back."""
    return f"promoted/{details['scope']}/{details['target']}/{details['tip']}"


def _decisions(tasks: TaskEnds) -> Any:
    from terok.services.decisions import Decisions

    return Decisions(tasks)
