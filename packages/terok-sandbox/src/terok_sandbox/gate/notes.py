"""Attach a person's note to a commit, as git notes that the container can fetch but not change."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from terok_sandbox.gate.errors import MirrorError
from terok_sandbox.gate.invoke import run_git
from terok_sandbox.gate.refs import RefChange, change_refs_together, read_refs
from terok_sandbox.gate.review import EMPTY_TREE

NOTES: Final = "refs/notes/commits"
_IDENTITY: Final = {"user.name": "terok gate", "user.email": "gate@localhost"}


def attach_note(mirror: Path, oid: str, text: str) -> None:
    """Set the note of a commit; an earlier one is replaced."""
    refs = read_refs(mirror).refs
    before = refs.get(NOTES)
    blob = run_git("hash-object", "-w", "--stdin", git_dir=mirror, input=text.encode()).text.strip()
    entries = _entries(mirror, before) | {oid: blob}
    listing = "".join(f"100644 blob {note}\t{name}\n" for name, note in sorted(entries.items()))
    tree = run_git("mktree", git_dir=mirror, input=listing.encode()).text.strip()
    parents = ["-p", before] if before else []
    made = run_git("commit-tree", "-m", "Note by the reviewer", *parents, tree, git_dir=mirror, config=_IDENTITY)
    problem = change_refs_together(mirror, [RefChange(NOTES, before, made.text.strip())])
    if problem is not None:
        raise MirrorError(f"the note was not attached: {problem}")


def _entries(mirror: Path, notes: str | None) -> dict[str, str]:
    if notes is None:
        return {}
    listing = run_git(
        "diff-tree", "-r", "--root", "--raw", "--no-abbrev", EMPTY_TREE[len(notes)], notes, git_dir=mirror
    )
    found = {}
    for line in listing.text.splitlines():
        words, _, name = line.partition("\t")
        found[name] = words.split(" ")[3]
    return found
