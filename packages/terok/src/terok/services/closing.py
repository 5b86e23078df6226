"""The closing words of a run: what really happened, and the next commands with the task's own id."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    from terok.integrations.executor import RunResult


def closing_words(result: RunResult, *, short: str, name: str, stopped: bool = False) -> list[str]:
    """Return the result of a run as lines; `short` is how a person types the task."""
    lines = [f"task {short} ({name}) {_ending(result, stopped=stopped)} after {result.duration:.1f} s"]
    lines += [f"  {line}" for line in (*_commits(result), *result.troubles(), *_spent(result))]
    return [
        *lines,
        *(f"{'next:' if not number else '     '} {line}" for number, line in enumerate(_next(result, short))),
    ]


def _ending(result: RunResult, *, stopped: bool) -> str:
    if stopped:
        return "was stopped"
    if result.timed_out:
        return "ran out of time"
    return "is done" if result.exit_code == 0 else f"failed with exit code {result.exit_code}"


def _commits(result: RunResult) -> Iterator[str]:
    by_branch = Counter(commit.branch for commit in result.commits)
    for branch, count in by_branch.items():
        subject = next(commit.subject for commit in reversed(result.commits) if commit.branch == branch)
        yield f"{count} {'commit' if count == 1 else 'commits'} in the gate on {branch}: {subject}"
    if not by_branch and result.gate:
        yield "it has made no commit"


def _spent(result: RunResult) -> Iterator[str]:
    used = result.usage
    if used.requests:
        # `terok usage` tells a plan from a price that nobody knows.
        cost = "cost ?" if used.cost_usd is None else f"${used.cost_usd:.4f}" + (" or so" if used.estimated else "")
        yield f"{used.requests} requests, {used.input + used.output} tokens, {cost}"


def _next(result: RunResult, short: str) -> Iterator[str]:
    if result.commits:
        yield f"terok review {short} && terok promote {short}"
    elif not result.delivery.complete:
        yield f"terok task restart {short}"
    yield f'terok task followup {short} "…"'
    yield f"terok task logs {short}"
    yield f"terok task delete {short}"
