"""Put branches away whose work is elsewhere now, and bring them back."""

from __future__ import annotations

from pathlib import Path

from terok_sandbox.gate.errors import MirrorError
from terok_sandbox.gate.refs import HEADS, RefChange, change_refs_together, read_refs, saving


def retire(mirror: Path, branch: str, tip: str) -> None:
    """Remove a branch that is at `tip`, which is saved; one that has moved on, or has gone, is left as it is."""
    refs = read_refs(mirror)
    if refs.refs.get(HEADS + branch) != tip:
        return
    _, saved = saving(refs, branch, tip)
    if problem := change_refs_together(mirror, [*saved, RefChange(HEADS + branch, tip, None)]):
        raise MirrorError(
            f"the branch {branch} was not put away: {problem}", hint="somebody may have pushed; try again"
        )


def revive(mirror: Path, branch: str, tip: str) -> None:
    """Make a branch again that was put away; one that has been made meanwhile is left as it is."""
    if HEADS + branch in read_refs(mirror).refs:
        return
    if problem := change_refs_together(mirror, [RefChange(HEADS + branch, None, tip)]):
        raise MirrorError(f"the branch {branch} was not made again: {problem}", hint="see `terok-sandbox gate backups`")
