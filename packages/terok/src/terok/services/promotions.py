"""Promotion of reviewed work, as it is or on top of a branch, alone or together; and rejection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_util import LeanTuple, UsageError, safe_text

from terok.errors import TaskError
from terok.services.decisions import Decisions
from terok.services.gates import Work
from terok.services.landing import land, reviewed_part
from terok.services.promotion import details_of
from terok.services.review_diffs import read_changes
from terok.services.review_look import moved_upstream

if TYPE_CHECKING:
    from collections.abc import Sequence

    from terok.integrations.sandbox import GitGate, SandboxConfig
    from terok.model.task import Task
    from terok.services.review_look import Moved
    from terok.services.tasks import Tasks


class Promoted(LeanTuple):
    """A promotion: what was sent where, by which operation (None: it was there already), and what came of it."""

    branch: str
    target: str
    upstream: str
    operation: int | None
    pull_request: str | None
    moved: Moved | None


class Promotions(Decisions):
    """The gates, with what goes from them to the upstreams."""

    _tasks: Tasks

    def __init__(self, tasks: Tasks, config: SandboxConfig | None = None) -> None:
        super().__init__(tasks, config)
        self._operations = tasks.operations
        self._store = tasks.store

    def promote(
        self,
        works: Sequence[Work],
        *,
        to: str | None = None,
        rebase: bool = False,
        accept_flags: bool = False,
        pull_request: bool = False,
        base: str | None = None,
        title: str | None = None,
    ) -> Promoted:
        """Send reviewed work to branch `to` of the upstream, by default to one of the same name.

        With `rebase`, or for several, it is put on top of what the upstream has in `to` (its default branch without
        it, and for a branch that is not there yet), in a container. `pull_request` opens one into `base`.

        Raises:
            UsageError: The request makes no sense.
            GateError: It was not reviewed, has changed since, or the upstream does not take it.
            TaskError: The upstream has moved so that it cannot go there.
        """
        gate = self._gate_of(works)
        target = to or works[0].branch
        if rebase or len(works) > 1:
            return self._land(gate, works, to, accept_flags=accept_flags, request=(pull_request, base, title))
        work = works[0]
        gate.sync()
        again = gate.settle_promotion(work.branch, gate.branch_heads()[work.branch], target)
        moved = None
        if not again:
            gate.check_reviewed(work.branch, accept_flags=accept_flags)
            moved = _moved(gate, work)
            _refuse_moved(work, target, moved)
        return self._send(gate, work, target, moved, (), accept_flags, (pull_request, base, title), again=again)

    def reject(self, work: Work, note: str) -> int:
        """Turn a branch down so that it can be undone; returns the number of the operation.

        The agent reads the note with its next push, and a headless one with its next follow-up.
        """
        details = {"scope": work.scope, "branch": work.branch, "note": note, "task": work.task}
        summary = f"rejected {work.branch} of {work.scope}"
        return self._operations.run("reject", work.task or work.branch, summary, "review.reject", details)

    def archivable(self, works: Sequence[Work]) -> list[Task]:
        """Return the tasks of works; UsageError for one that cannot be archived, before anything is done."""
        found = [self._store.task(work.task) for work in works if work.task]
        for task in found:
            self._tasks.check_archivable(task)
        return found

    def _gate_of(self, works: Sequence[Work]) -> GitGate:
        scopes = {work.scope for work in works}
        if len(scopes) > 1:
            raise UsageError("these are of several projects", hint="promote the work of one project at a time")
        if len({work.branch for work in works}) < len(works):
            raise UsageError("one of these is named twice", hint="name each task once")
        return self.open(works[0].scope)

    def _land(
        self,
        gate: GitGate,
        works: Sequence[Work],
        to: str | None,
        *,
        accept_flags: bool,
        request: tuple[bool, str | None, str | None],
    ) -> Promoted:
        if not works[0].task:
            raise UsageError("only the work of tasks is rebased", hint="promote it as it is, without --rebase")
        parts = [reviewed_part(gate, work, accept_flags=accept_flags) for work in works]
        synced = gate.sync()
        target = to or synced.default_branch
        start = (gate.upstream_tip(target) if target is not None else None) or synced.start
        if target is None or start is None:
            raise UsageError("the upstream has no branch to put it on", hint="name one with --to")
        moved = _moved(gate, works[0])
        task = self._store.task(works[0].task)
        branch = land(self._service, gate, task, parts, start)
        sources = [(part.work.branch, part.tip) for part in parts]
        landed = Work(gate.scope, branch, works[0].task, None)
        return self._send(gate, landed, target, moved, sources, accept_flags, request)

    def _send(
        self,
        gate: GitGate,
        work: Work,
        target: str,
        moved: Moved | None,
        sources: Sequence[tuple[str, str]],
        accept_flags: bool,
        request: tuple[bool, str | None, str | None],
        *,
        again: bool = False,
    ) -> Promoted:
        wanted, base, title = request
        prepared = gate.pull_request(work.branch, head=target, base=base, title=title) if wanted else None
        tip = gate.branch_heads()[work.branch]
        number: int | None
        if not again:
            details = details_of(
                gate, work.branch, tip, target, task=work.task, accept_flags=accept_flags, sources=sources
            )
            names = ", ".join(name for name, _ in sources) or work.branch
            summary = safe_text(f"promoted {names} of {gate.scope} to {target}", limit=300)
            number = self._operations.run("promote", work.task or work.branch, summary, "review.promote", details)
        else:  # sent by others, or from here by a process that was killed before it could record that
            about = {"scope": gate.scope, "branch": work.branch, "tip": tip, "target": target}
            number = self._operations.go_on_with(kind="review.promote", **about)
        if number is None and not wanted:
            raise TaskError(f"{safe_text(work.branch)} is upstream already", hint="`terok review` lists what waits")
        opened = prepared.open() if prepared is not None else None
        address = gate.source.address if gate.source is not None else ""
        return Promoted(work.branch, target, address, number, opened, moved)


def _moved(gate: GitGate, work: Work) -> Moved | None:
    seen = gate.review(work.branch)
    if seen.review.base is None or seen.review.base == seen.target_tip:  # nothing came since; a diff may be large
        return None
    return moved_upstream(gate, seen, read_changes(gate.path, seen.review.base, seen.review.tip))


def _refuse_moved(work: Work, target: str, moved: Moved | None) -> None:
    """Raise TaskError if the target has got commits since that the work does not have."""
    if moved is None or target != moved.target:
        return
    both = f"; both change {', '.join(moved.files[:5])}" if moved.files else ""
    first = "; ".join(moved.subjects[:3])
    raise TaskError(
        f"{target} has got {moved.commits} commits upstream since ({first}){both}",
        hint=f"`terok promote {work.task or work.branch} --to {target} --rebase` puts the work on top of them",
    )
