"""Put branches away whose work is elsewhere now, and bring them back."""

from __future__ import annotations

from pathlib import Path

from terok_sandbox.gate.errors import MirrorError
from terok_sandbox.gate.refs import HEADS, RefChange, backup_ref, change_refs_together, read_refs


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
