"""One look at a branch, with all that a person is shown of it."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

from terok_util import UsageError, lean_dataclass, safe_text

from terok.integrations.sandbox import record_review, review_branch, review_document, run_git
from terok.services.review_comments import Placed, Reviewed, place_comments
from terok.services.review_diffs import Changes, read_changes
from terok.services.review_rounds import Since, changes_since, last_round
from terok.store.reviewing import add_round, check_runs, rounds, viewed

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from typing import Any

    from terok.integrations.sandbox import GitGate, ReviewedBranch
    from terok.model.review import CheckRun
    from terok.services.gates import Mirrored, Work
    from terok.store import Store

EMPTY_TREES = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}
"""Git's own name of no files at all, by the length of names."""
_SHOWN = 20


@lean_dataclass(frozen=True, slots=True)
class Moved:
    """The commits that the upstream's branch `target` has got since a branch has left it.

    `files` are those that both have changed. All text is safe.
    """

    target: str
    commits: int
    subjects: tuple[str, ...]
    files: tuple[str, ...]


@lean_dataclass(frozen=True, slots=True)
class Look:
    """A branch as it is shown: the gate's review of it, and what the records of terok add.

    `changes` is what is shown: all that the branch changes or, with `since`, what is different since a round.
    """

    work: Work
    reviewed: Reviewed
    seen: ReviewedBranch
    document: Mapping[str, Any]
    changes: Changes
    since: Since | None
    comments: tuple[Placed, ...]
    viewed: frozenset[tuple[str, str]]
    checks: tuple[CheckRun, ...]
    moved: Moved | None


def look_at(
    store: Store,
    gate: GitGate | Mirrored,
    work: Work,
    *,
    since_last: bool = False,
    ignore_space: bool = False,
    paths: Sequence[str] = (),
) -> Look:
    """Return all that is to be shown of a branch; of a change that is too large, the lines of `paths` alone.

    Raises:
        UsageError: Nothing was reviewed before that is different, and `since_last` asks for that.
        GateError: The gate cannot be read.
    """
    seen = review_branch(gate.path, work.branch)
    tip, base = seen.review.tip, seen.review.base or ""
    reviewed = Reviewed(gate.path, work.task, work.branch, tip, base)
    origin = base or EMPTY_TREES[len(tip)]
    own = read_changes(gate.path, origin, tip, ignore_space=ignore_space)
    if not own.whole and paths:
        own = read_changes(gate.path, origin, tip, ignore_space=ignore_space, paths=paths)
    since = None
    if since_last:
        before = last_round(store, work.scope, work.branch, tip)
        if before is None:
            raise UsageError(
                f"{safe_text(work.branch)} has not changed since it was first reviewed",
                hint="look at all of it: leave out --since-last",
            )
        since = changes_since(gate.path, before, tip, base or None, ignore_space=ignore_space)
    return Look(
        work,
        reviewed,
        seen,
        review_document(seen),
        own if since is None else since.changes,
        since,
        tuple(place_comments(store, reviewed, own)) if work.task else (),
        frozenset(viewed(store, work.task)) if work.task else frozenset(),
        tuple(check_runs(store, work.task)) if work.task else (),
        moved_upstream(gate, seen, own),
    )


def record_look(store: Store, gate: GitGate | Mirrored, look: Look) -> None:
    """Record that a person was shown a branch: a promotion goes on from here, and so does the next round."""
    work, reviewed = look.work, look.reviewed
    record_review(gate.path, work.branch, look.seen)
    if [one.tip for one in rounds(store, work.scope, work.branch)[-1:]] == [reviewed.tip]:
        return  # looking once more writes nothing
    with store.write() as writer:
        add_round(writer, work.task, work.scope, work.branch, reviewed.tip, reviewed.base)


def refreshed(store: Store, look: Look) -> Look:
    """Return a look at the same commit with the comments, marks and checks that are recorded now."""
    task, reviewed = look.reviewed.task, look.reviewed
    if not task:
        return look
    own = look.changes
    if look.since is not None:
        own = read_changes(reviewed.mirror, reviewed.base or EMPTY_TREES[len(reviewed.tip)], reviewed.tip)
    return replace(
        look,
        comments=tuple(place_comments(store, reviewed, own)),
        viewed=frozenset(viewed(store, task)),
        checks=tuple(check_runs(store, task)),
    )


def moved_upstream(gate: GitGate | Mirrored, seen: ReviewedBranch, own: Changes) -> Moved | None:
    """Return what came upstream since; None if nothing did, as of the last sync."""
    base, target = seen.review.base, seen.target_tip
    if base is None or target is None or base == target:
        return None
    log = run_git("log", "--format=%s", "--end-of-options", target, f"^{base}", git_dir=gate.path)
    subjects = log.stdout.decode("utf-8", "replace").split("\n")[:-1]
    if not subjects:
        return None
    theirs = {file.path for file in read_changes(gate.path, base, target).files}
    both = sorted(theirs & {name for file in own.files for name in (file.path, file.old_path)})
    return Moved(
        safe_text(seen.target),
        len(subjects),
        tuple(safe_text(one, limit=120) for one in subjects[:_SHOWN]),
        tuple(safe_text(one, limit=200) for one in both),
    )
