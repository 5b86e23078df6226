"""The use cases of reviews, together."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_util import UsageError, safe_text

from terok.services.promotions import Promotions
from terok.services.review_checks import CHECK_SECONDS, run_check
from terok.services.review_comments import Placed, Reviewed, place_comments, write_comment
from terok.services.review_diffs import has_commit, read_changes
from terok.services.review_look import EMPTY_TREES, look_at, record_look
from terok.store.reviewing import add_round, comments, mark_viewed, resolve_comment, rounds

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from terok.model.review import CheckRun, Comment
    from terok.services.gates import Work
    from terok.services.review_look import Look


class Reviews(Promotions):
    """Everything that is done about the work of agents; see the modules it is made of."""

    def look(
        self, work: Work, *, since_last: bool = False, ignore_space: bool = False, paths: Sequence[str] = ()
    ) -> Look:
        """Return what is to be shown of a branch; `looked` records that it was. Raises as `look_at` does."""
        gate = self.open(work.scope)
        return look_at(self._store, gate, work, since_last=since_last, ignore_space=ignore_space, paths=paths)

    def looked(self, look: Look) -> None:
        """Record that a person was shown a branch, as `record_look` does."""
        record_look(self._store, self.open(look.work.scope), look)

    def comment(self, work: Work, where: str, text: str) -> int:
        """Write a comment on a branch as it was shown last, and return its number; UsageError for a place not there.

        An agent that pushes meanwhile does not change what the person means.
        """
        return write_comment(self._store, self._shown(work), where, text)

    def placed(self, work: Work) -> list[Placed]:
        """Return the comments on a branch, with their places in the commit that it is at."""
        reviewed = self._reviewed(work)
        origin = reviewed.base or EMPTY_TREES[len(reviewed.tip)]
        return place_comments(self._store, reviewed, read_changes(reviewed.mirror, origin, reviewed.tip))

    def comments(self, work: Work) -> list[Comment]:
        """Return the comments on the work of a task, on all of its branches."""
        return comments(self._store, self._owner_of(work))

    def resolve(self, work: Work, number: int) -> None:
        """Settle a comment; UsageError if the task has no such comment that is open."""
        with self._store.write() as writer:
            if not resolve_comment(writer, self._owner_of(work), number):
                raise UsageError(
                    f"task {work.task} has no open comment {number}",
                    hint=f"`terok review {work.task} --comments` lists them",
                )

    def mark_viewed(self, work: Work, path: str, *, on: bool = True) -> None:
        """Mark a file as viewed for as long as it stays as it was shown last; UsageError if it is not changed."""
        reviewed = self._shown(work)
        file = read_changes(reviewed.mirror, reviewed.base or EMPTY_TREES[len(reviewed.tip)], reviewed.tip).file(path)
        if file is None:
            raise UsageError(
                f"{safe_text(work.branch)} does not change {safe_text(path, limit=200)!r}",
                hint=f"`terok review {work.task}` names what it changes",
            )
        with self._store.write() as writer:
            mark_viewed(writer, reviewed.task, file.path, file.new_blob, on=on)

    def check(
        self,
        work: Work,
        command: str,
        *,
        timeout: int = CHECK_SECONDS,
        on_line: Callable[[str], None] | None = None,
    ) -> CheckRun:
        """Run a command on a branch as it is now, and return its result, which is kept; see `run_check`."""
        tip = self._reviewed(work).tip
        task = self._store.task(work.task)
        return run_check(self._service, task, work.branch, tip, command, timeout=timeout, on_line=on_line)

    def _shown(self, work: Work) -> Reviewed:
        """Return the commit that a person was shown last; the present one, which then counts as shown, without any."""
        gate, task = self.open(work.scope), self._owner_of(work)
        last = rounds(self._store, work.scope, work.branch)[-1:]
        if last and has_commit(gate.path, last[0].tip):
            return Reviewed(gate.path, task, work.branch, last[0].tip, last[0].base)
        reviewed = self._reviewed(work)
        with self._store.write() as writer:
            add_round(writer, task, work.scope, work.branch, reviewed.tip, reviewed.base)
        return reviewed

    def _reviewed(self, work: Work) -> Reviewed:
        gate, task = self.open(work.scope), self._owner_of(work)
        review = gate.review(work.branch).review
        return Reviewed(gate.path, task, work.branch, review.tip, review.base or "")

    @staticmethod
    def _owner_of(work: Work) -> str:
        if not work.task:
            raise UsageError(
                f"{safe_text(work.branch)} belongs to nobody",
                hint="comments and checks belong to tasks: see `terok task list`",
            )
        return work.task
