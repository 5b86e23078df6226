"""Rounds of a review: what a person has looked at, and what is different since then, also across a rebase."""

from __future__ import annotations

from typing import TYPE_CHECKING

from terok_util import UsageError, lean_dataclass

from terok.integrations.sandbox import GateError
from terok.services.review_diffs import Changes, carry_over, has_commit, read_changes
from terok.store.reviewing import rounds

if TYPE_CHECKING:
    from pathlib import Path

    from terok.model.review import Round
    from terok.store import Store


@lean_dataclass(frozen=True, slots=True)
class Since:
    """The changes of a branch since a round, without what came from its base.

    `notes` say what could not be told apart.
    """

    round: Round
    changes: Changes
    notes: tuple[str, ...] = ()


def last_round(store: Store, scope: str, branch: str, tip: str) -> Round | None:
    """Return the last round in which a person saw something else than `tip`."""
    return next((one for one in reversed(rounds(store, scope, branch)) if one.tip != tip), None)


def changes_since(mirror: Path, before: Round, tip: str, base: str | None, *, ignore_space: bool = False) -> Since:
    """Return what is different between two rounds, each taken as a change of its own base.

    Where the branch was rebased, the older work is first carried over to the newer base; what is left is the agent's.
    """
    if not has_commit(mirror, before.tip):
        raise UsageError(
            f"the commit {before.tip[:12]} that was reviewed last is no longer in the gate",
            hint="look at the whole: leave out --since-last",
        )
    if base is None or not before.base or before.base == base:
        return Since(before, read_changes(mirror, before.tip, tip, ignore_space=ignore_space))
    notes = [f"the branch was moved from {before.base[:12]} to {base[:12]}; what came from there is not shown"]
    try:
        carried = carry_over(mirror, before.tip, base)
    except GateError as error:
        changes = read_changes(mirror, before.tip, tip, ignore_space=ignore_space)
        return Since(before, changes, (f"what came from {base[:12]} is included: {error.message}",))
    changes = read_changes(mirror, carried.tree, tip, ignore_space=ignore_space)
    if carried.conflicts:
        entire = read_changes(mirror, base, tip, ignore_space=ignore_space, paths=carried.conflicts)
        kept = [file for file in changes.files if not {file.path, file.old_path} & set(carried.conflicts)]
        changes = Changes((*kept, *entire.files), changes.whole and entire.whole)
        notes.append(f"shown as a whole, because both sides changed the same lines: {', '.join(carried.conflicts)}")
    return Since(before, changes, tuple(notes))
