"""Tasks as flat lines with labels, for screen readers and slow lines. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from terok_util import safe_text

from terok.model.shown import age, label
from terok.tui.views.inbox import HEADS

if TYPE_CHECKING:
    from terok.services.inbox import TaskDetail
    from terok.tui.views.inbox import InboxView


def item_lines(view: InboxView, short: Mapping[str, str], now: float) -> list[str]:
    """Return the inbox as lines; the tasks have the numbers by which they are opened."""
    lines, number = [], 0
    for item in view.items:
        if item.task is None:
            lines.append(f"{HEADS[item.group].capitalize()}: {item.size}" + (" (d lists them)" if item.folded else ""))
            continue
        number += 1
        task = item.task
        parts = [
            f"{number}. {label(task.word)}: {task.name} in {task.project}",
            task.reason,
            f"since {age(now - task.since)}",
            *(["unread"] if task.unread else []),
            *([f"cost {task.cost:.2f} dollars"] if task.cost is not None else []),
            *([f"also {', '.join(map(label, task.also.split()))}"] if task.also else []),
            f"id {short.get(task.id, task.id)}",
        ]
        lines.append(safe_text("; ".join(parts), limit=600))
    return lines


def task_lines(detail: TaskDetail, short: str, now: float) -> list[str]:
    """Return everything that is recorded about a task."""
    task, state = detail.task, detail.state
    lines = [
        f"Task {short}: {task.name} in {task.project}",
        f"State: {label(state.word)} for {age(now - state.since)}",
        f"Agent: {task.agent}, {task.mode}",
    ]
    for proof in state.evidence:
        source = f"{proof.source} claims" if proof.claim else proof.source
        lines.append(f"Because: {proof.text} ({source}, {age(now - proof.at)} ago)")
    for claim in detail.questions:
        lines.append(f"Asks: {claim.text or claim.kind}")
        lines += [f"Answer {number}: {option}" for number, option in enumerate(claim.options, 1)]
    lines += [f"Next: {one.text}" for one in detail.waiting]
    return [safe_text(line, limit=1000) for line in lines]
