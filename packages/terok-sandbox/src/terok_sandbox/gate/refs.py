"""Read and change the refs of a mirror.

| refs                              | role                                                                |
|-----------------------------------|---------------------------------------------------------------------|
| `refs/heads/*`                  | what the container clones and pushes to                             |
| `refs/tags/*`                   | tags, created only                                                  |
| `refs/terok/upstream/*`         | branches of the upstream as last seen                               |
| `refs/terok/upstream-tags/*`    | its tags as last seen                                               |
| `refs/terok/detached`           | where its HEAD was last that was on no branch                       |
| `refs/terok/attic/*`            | what the upstream had before, while a pending operation rests on it |
| `refs/terok/attic-tags/*`       | the same of its tags                                                |
| `refs/terok/backup/<b>/<stamp>` | tips saved before they were overwritten or deleted                  |
| `refs/terok/backup-tags/…`      | the same of tags                                                    |

All of `refs/terok` is hidden from the container.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from terok_sandbox.gate.errors import GitFailed
from terok_sandbox.gate.invoke import run_git
from terok_sandbox.gate.packed_refs import create_packed

HEADS: Final = "refs/heads/"
TAGS: Final = "refs/tags/"
UPSTREAM: Final = "refs/terok/upstream/"
UPSTREAM_TAGS: Final = "refs/terok/upstream-tags/"
DETACHED: Final = "refs/terok/detached"
ATTIC: Final = "refs/terok/attic/"
ATTIC_TAGS: Final = "refs/terok/attic-tags/"
BACKUP: Final = "refs/terok/backup/"
BACKUP_TAGS: Final = "refs/terok/backup-tags/"

_LISTING_BYTES: Final = 256 * 1024 * 1024
_PACK_FROM: Final = 500
_BATCH: Final = 1000
"""Refs of one transaction: git keeps as many files open, and a failure is searched for among as many."""
_BATCH_SECONDS: Final = 300.0


@dataclass(frozen=True, slots=True)
class RefSet:
    """All refs of a mirror at one moment: full name to object id."""

    refs: Mapping[str, str]

    def under(self, prefix: str) -> dict[str, str]:
        """Return the refs below `prefix`, without it in their names."""
        return {name[len(prefix) :]: oid for name, oid in self.refs.items() if name.startswith(prefix)}

    def own(self) -> int:
        """Count what agents made: branches and tags that the upstream has not, and saved tips."""
        made = 0
        for place, origin in ((HEADS, UPSTREAM), (TAGS, UPSTREAM_TAGS)):
            made += sum(origin + name not in self.refs for name in self.under(place))
        return made + sum(name.startswith((BACKUP, BACKUP_TAGS)) for name in self.refs)


@dataclass(frozen=True, slots=True)
class RefChange:
    """Set `ref` to `new` (None: delete it), provided it is at `old` (None: does not exist)."""

    ref: str
    old: str | None
    new: str | None

    def instruction(self) -> bytes:
        """Return the line that `git update-ref --stdin -z` takes for this change."""
        if self.old is None:
            words = ["create " + self.ref, self.new or ""]
        elif self.new is None:
            words = ["delete " + self.ref, self.old]
        else:
            words = ["update " + self.ref, self.new, self.old]
        return b"".join(word.encode("utf-8", "surrogateescape") + b"\0" for word in words)


def read_refs(mirror: Path) -> RefSet:
    """Return every ref of `mirror`."""
    done = run_git("for-each-ref", "--format=%(objectname) %(refname)", git_dir=mirror, max_output=_LISTING_BYTES)
    refs: dict[str, str] = {}
    for line in done.stdout.decode("utf-8", "surrogateescape").split("\n"):
        oid, _, name = line.partition(" ")
        if name:
            refs[name] = oid
    return RefSet(refs)


def change_refs(mirror: Path, changes: Iterable[RefChange]) -> list[str]:
    """Apply `changes` and return what went wrong, one line each.

    They are tried in large transactions; one that fails because a ref was overtaken (somebody pushed meanwhile) is
    halved until that ref is alone, so that one branch in use does not hold the others up.
    """
    todo = list(changes)
    errors: list[str] = []
    for at in range(0, len(todo), _BATCH):
        errors += _change(mirror, todo[at : at + _BATCH])
    return errors


def create_unseen(mirror: Path, changes: Iterable[RefChange]) -> list[str]:
    """Apply `changes` to refs that nobody else writes; many new ones are created in one file."""
    todo = list(changes)
    new = {change.ref: change.new for change in todo if change.old is None and change.new is not None}
    if len(new) < _PACK_FROM:
        return change_refs(mirror, todo)
    errors = change_refs(mirror, [change for change in todo if change.ref not in new])
    create_packed(mirror, new)
    return errors


def change_refs_together(mirror: Path, changes: Iterable[RefChange]) -> str | None:
    """Apply all `changes` or none; return why not, or None."""
    return _transaction(mirror, list(changes))


def point_head(mirror: Path, branch: str) -> None:
    """Make `branch` the one that a clone checks out; it need not exist yet."""
    target = HEADS + branch
    if (mirror / "HEAD").read_text().strip() != f"ref: {target}":
        run_git("symbolic-ref", "HEAD", target, git_dir=mirror)


def head_branch(mirror: Path) -> str:
    """Return the branch that a clone checks out."""
    return (mirror / "HEAD").read_text().strip().removeprefix("ref: " + HEADS)


def backup_ref(name: str, tip: str, now: datetime | None = None, *, tag: bool = False) -> str:
    """Return the ref under which `tip` of a branch or `tag` is saved."""
    stamp = (now or datetime.now(UTC)).strftime("%Y%m%dT%H%M%SZ")
    return f"{BACKUP_TAGS if tag else BACKUP}{name}/{stamp}-{tip[:12]}"


def _change(mirror: Path, changes: list[RefChange]) -> list[str]:
    problem = _transaction(mirror, changes) if changes else None
    if problem is None:
        return []
    if len(changes) == 1:
        return [f"{changes[0].ref}: {problem}"]
    middle = len(changes) // 2
    return _change(mirror, changes[:middle]) + _change(mirror, changes[middle:])


def _transaction(mirror: Path, changes: list[RefChange]) -> str | None:
    instructions = b"".join(change.instruction() for change in changes)
    words = ("--stdin", "-z", "-m", "terok gate")
    try:
        run_git("update-ref", *words, git_dir=mirror, input=instructions, timeout=_BATCH_SECONDS)
    except GitFailed as error:
        return error.message
    return None
