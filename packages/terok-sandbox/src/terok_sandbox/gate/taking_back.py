"""Take a promotion back, and put branches away whose work is elsewhere now."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from terok_sandbox.gate.errors import MirrorError, PromotionRefused
from terok_sandbox.gate.mirror import Mirror
from terok_sandbox.gate.refs import HEADS, UPSTREAM, RefChange, backup_ref, change_refs, change_refs_together, read_refs

_SECONDS: Final = 600.0


def take_back(mirror: Mirror, target: str, tip: str, before: str | None) -> None:
    """Set the upstream's branch `target` back from `tip` to what it was, None for a branch that was not there.

    PromotionRefused if it is somewhere else by now: what others have built on it is not taken away.
    """
    upstream = mirror.upstream()
    if upstream is None:
        raise PromotionRefused(f"the project {mirror.scope} has no upstream")
    now = upstream.advertised(timeout=120.0).branches.get(target)
    if now != before:
        if now != tip:
            raise PromotionRefused(
                f"the upstream's branch {target} has moved on since the promotion", hint="revert the commits there"
            )
        upstream.push_from(mirror.path, before, target, tip, timeout=_SECONDS)
    known = read_refs(mirror.path).refs.get(UPSTREAM + target)
    if known != before:
        change_refs(mirror.path, [RefChange(UPSTREAM + target, known, before)])


def retire(mirror: Path, branch: str, tip: str) -> None:
    """Remove a branch that is at `tip`, which is saved; one that has moved on, or has gone, is left as it is."""
    refs = read_refs(mirror).refs
    if refs.get(HEADS + branch) != tip:
        return
    saved = backup_ref(branch, tip)
    changes = [RefChange(HEADS + branch, tip, None)]
    if saved not in refs:
        changes.insert(0, RefChange(saved, None, tip))
    if problem := change_refs_together(mirror, changes):
        raise MirrorError(
            f"the branch {branch} was not put away: {problem}", hint="somebody may have pushed; try again"
        )


def revive(mirror: Path, branch: str, tip: str) -> None:
    """Make a branch again that was put away; one that has been made meanwhile is left as it is."""
    if HEADS + branch in read_refs(mirror).refs:
        return
    if problem := change_refs_together(mirror, [RefChange(HEADS + branch, None, tip)]):
        raise MirrorError(f"the branch {branch} was not made again: {problem}", hint="see `terok-sandbox gate backups`")
