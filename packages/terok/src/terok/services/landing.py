"""Reviewed work put on top of a branch of the upstream: one branch or several, rebased inside a container.

The host works out beforehand what has to come of it, by a merge without a work tree, and takes what the container has
pushed for reviewed only if it is exactly that, in commits that were reviewed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, NamedTuple

from terok_util import safe_text

from terok.engines.values import Command
from terok.errors import TaskError
from terok.integrations.sandbox import run_git
from terok.services.review_diffs import carry_over

if TYPE_CHECKING:
    from collections.abc import Sequence

    from terok.integrations.sandbox import GitGate
    from terok.model.task import Task
    from terok.services.gates import Work
    from terok.services.task_launches import TaskLaunches

_SECONDS: Final = 600
_KEPT_LINES: Final = 5
_SCRIPT: Final = """set -e
git config core.hooksPath /dev/null
at=$(git rev-parse HEAD)
{steps}git push -q origin "+$at:refs/heads/{branch}"
"""
_STEP: Final = """git rebase -q --onto "$at" {base} {tip}
at=$(git rev-parse HEAD)
"""
_WHO: Final = {"GIT_COMMITTER_NAME": "terok", "GIT_COMMITTER_EMAIL": "terok@localhost", "GIT_EDITOR": "true"}


class Part(NamedTuple):
    """A reviewed branch: its commits are those after `base` up to `tip`."""

    work: Work
    tip: str
    base: str


def reviewed_part(gate: GitGate, work: Work, *, accept_flags: bool) -> Part:
    """Return a branch as it was reviewed; GateError unless it was, and is as it was then."""
    mark = gate.check_reviewed(work.branch, accept_flags=accept_flags)
    if mark.base is None:
        raise TaskError(
            f"{safe_text(work.branch)} shares nothing with the upstream", hint="promote it as a branch of its own"
        )
    return Part(work, mark.tip, mark.base)


def land(tasks: TaskLaunches, gate: GitGate, task: Task, parts: Sequence[Part], start: str) -> str:
    """Put the commits of branches on top of `start`, one after the other, and return the branch of the gate with them.

    It counts as reviewed. Raises TaskError if two do not go together, or something else has come of it.
    """
    expected = _merged(gate, parts, start)
    branch = f"terok/land/{parts[0].work.task or parts[0].tip[:12]}"
    _rebase(tasks, gate, task, parts, start, branch)
    tip = gate.branch_heads().get(branch)
    if tip is None:
        raise TaskError("the rebased commits have not reached the gate", hint="try again")
    made = run_git("rev-parse", f"{tip}^{{tree}}", git_dir=gate.path).text.strip()
    if made != expected or not _is_within(_titles(gate, start, tip), parts, gate):
        raise TaskError(
            "what has come of the rebase is not what was reviewed",
            hint=f"look at it: `terok review {branch} --project {gate.scope}`, and promote that",
        )
    gate.record(branch, gate.review(branch))
    return branch


def _merged(gate: GitGate, parts: Sequence[Part], start: str) -> str:
    """Return the tree that the parts make on top of `start`; TaskError with the files that do not go together."""
    at, tree = start, run_git("rev-parse", f"{start}^{{tree}}", git_dir=gate.path).text.strip()
    for part in parts:
        carried = carry_over(gate.path, part.tip, at)
        if carried.conflicts:
            names = ", ".join(safe_text(name, limit=100) for name in carried.conflicts[:_KEPT_LINES])
            raise TaskError(
                f"{safe_text(part.work.branch)} does not apply there: the same lines have changed in {names}",
                hint=f'let the agent do it: `terok task followup {part.work.task} "Rebase your work…"`',
            )
        tree = carried.tree
        words = ("-m", "merged", "-p", at, "-p", part.tip, tree)
        who = {"user.name": "terok", "user.email": "terok@localhost"}
        at = run_git("commit-tree", *words, git_dir=gate.path, config=who).text.strip()
    return tree


def _rebase(tasks: TaskLaunches, gate: GitGate, task: Task, parts: Sequence[Part], start: str, branch: str) -> None:
    from terok.config import sandbox_config

    steps = "".join(_STEP.format(base=part.base, tip=part.tip) for part in parts)
    said: list[str] = []
    command = Command(
        container=f"{task.container}-land",
        task_container=task.container,
        scope=gate.scope,
        commit=start,
        branch="terok-land",
        command=_SCRIPT.format(steps=steps, branch=branch),
        timeout=_SECONDS,
        config=sandbox_config(tasks.project(task)),
        profiles=(),
        options={"env": _WHO},
    )
    code = tasks.engine(task).run_command(command, lambda line: said.append(safe_text(line, limit=300)))
    if code != 0:
        last = "; ".join(said[-_KEPT_LINES:]) or "it said nothing"
        raise TaskError(
            f"the rebase did not come to its end: {last}",
            hint=f'let the agent do it: `terok task followup {task.id} "Rebase your work…"`',
        )


def _titles(gate: GitGate, start: str, tip: str) -> list[str]:
    """Return authors and messages of commits, the oldest first."""
    words = ("--reverse", "--no-merges", "--format=%an%x00%ae%x00%B%x01", "--end-of-options", tip, f"^{start}")
    text = run_git("log", *words, git_dir=gate.path).stdout.decode("utf-8", "surrogateescape")
    return [one.strip() for one in text.split("\x01") if one.strip()]


def _is_within(made: Sequence[str], parts: Sequence[Part], gate: GitGate) -> bool:
    """Whether commits are those of the parts, in their order; some may have been upstream already."""
    known = iter([title for part in parts for title in _titles(gate, part.base, part.tip)])
    return all(title in known for title in made)
