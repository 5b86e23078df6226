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

Git writes each new ref as a file of its own and waits for the disk each time; for 100,000 branches that takes minutes.
`packed-refs` holds them in one file. Only refs that nobody else writes may be created this way: the hidden snapshot,
and the branches of a mirror that no container has seen yet.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from terok_util import sync_path
from terok_util.values import lean_dataclass

from terok_sandbox.gate.errors import GitFailed, MirrorError
from terok_sandbox.gate.invoke import run_git
from terok_sandbox.values.names import is_ref

_OID: Final = r"[0-9a-f]{40}(?:[0-9a-f]{24})?"
_PATIENCE: Final = 10.0


def create_packed(mirror: Path, refs: Mapping[str, str]) -> None:
    """Create `refs` (name to id), none of which exists, all at once; `MirrorError` if invalid or git is at work."""
    for name, oid in refs.items():
        if not is_ref(name) or not re.fullmatch(_OID, oid):
            raise MirrorError(f"{name!r} cannot be created")
    file, lock = mirror / "packed-refs", mirror / "packed-refs.lock"
    descriptor = _locked(lock)
    try:
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(_merged(file.read_bytes() if file.exists() else b"", refs))
            stream.flush()
            os.fsync(stream.fileno())
        lock.replace(file)
    except OSError as error:
        lock.unlink(missing_ok=True)
        raise MirrorError(f"the refs of {mirror} cannot be written: {error.strerror}") from error
    sync_path(mirror)


def _locked(lock: Path) -> int:
    """Create `lock`; a push that deletes a branch holds it for a moment."""
    deadline = time.monotonic() + _PATIENCE
    while True:
        try:
            return os.open(lock, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError as error:
            if time.monotonic() > deadline:
                raise MirrorError("another git holds the mirror's refs", hint="try again in a minute") from error
            time.sleep(0.05)


def packed_and_loose(mirror: Path) -> int:
    """Return a number that the mirror's refs do not exceed, without asking git."""
    file = mirror / "packed-refs"
    packed = file.read_bytes().count(b"\n") if file.exists() else 0
    return packed + sum(len(files) for _, _, files in os.walk(mirror / "refs"))


def ref_lookup(mirror: Path) -> Callable[[str], bool]:
    """Return a function that tells whether a mirror has a ref of a full name, without asking git."""
    file = mirror / "packed-refs"
    packed = file.read_bytes() if file.exists() else b""

    def exists(ref: str) -> bool:
        return is_ref(ref) and ((mirror / ref).is_file() or b" %b\n" % ref.encode("utf-8", "surrogateescape") in packed)

    return exists


def ref_tip(mirror: Path, ref: str) -> str:
    """Return the object id that a ref names, empty if there is no such ref, without asking git."""
    if not is_ref(ref):
        return ""
    file = mirror / "packed-refs"
    try:
        return (mirror / ref).read_text("ascii").strip()
    except (FileNotFoundError, IsADirectoryError, NotADirectoryError):
        line = b" %b\n" % ref.encode("utf-8", "surrogateescape")
        packed = file.read_bytes() if file.exists() else b""
        end = packed.find(line)
        return packed[packed.rfind(b"\n", 0, end) + 1 : end].decode("ascii") if end >= 0 else ""


def _merged(old: bytes, refs: Mapping[str, str]) -> bytes:
    entries: dict[bytes, bytes] = {}
    last = b""
    for line in old.splitlines(keepends=True):
        if line.startswith(b"^"):
            entries[last] += line
        elif not line.startswith(b"#"):
            last = line.rstrip(b"\n").partition(b" ")[2]
            entries[last] = line
    for name, oid in refs.items():
        raw = name.encode("utf-8", "surrogateescape")
        entries[raw] = oid.encode() + b" " + raw + b"\n"
    # Not "peeled": git looks for itself at what a tag points to.
    return b"# pack-refs with: sorted \n" + b"".join(entries[name] for name in sorted(entries))


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
_BATCH: Final = 1000  # refs of one transaction: git keeps that many files open, and a failed one is bisected
_BATCH_SECONDS: Final = 300.0


@lean_dataclass(frozen=True, slots=True)
class RefSet:
    """All refs of a mirror at one moment: full name to object id."""

    refs: Mapping[str, str]

    def under(self, prefix: str) -> dict[str, str]:
        """Return the refs below `prefix`, without it in their names."""
        return {name[len(prefix) :]: oid for name, oid in self.refs.items() if name.startswith(prefix)}

    def own(self) -> int:
        """Count the refs that agents made: branches and tags that the upstream lacks, and saved tips."""
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
    """Apply `changes` and return the errors, one line each.

    A transaction that fails is halved until the ref that was overtaken is alone, and does not hold the others up.
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
    """Set the branch that a clone checks out; it need not exist yet."""
    target = HEADS + branch
    if (mirror / "HEAD").read_text().strip() != f"ref: {target}":
        run_git("symbolic-ref", "HEAD", target, git_dir=mirror)


def head_branch(mirror: Path) -> str:
    """Return the branch that a clone checks out."""
    return (mirror / "HEAD").read_text().strip().removeprefix("ref: " + HEADS)


def saving(refs: RefSet, name: str, tip: str, *, tag: bool = False) -> tuple[str, list[RefChange]]:
    """Return the ref under which `tip` of a branch or `tag` is saved, and the change to it; none if it is there."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
    saved = f"{BACKUP_TAGS if tag else BACKUP}{name}/{stamp}-{tip[:12]}"
    return saved, [] if saved in refs.refs else [RefChange(saved, None, tip)]


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


_GIT_S_OWN: Final = rf"@|[A-Z_]*HEAD|{_OID}"
_PLACES: Final = frozenset({"refs", "heads", "tags", "remotes", "origin"})
_REMOTES: Final = frozenset({"gate", "upstream"})


def ambiguity(ref: str, exists: Callable[[str], bool]) -> str:
    """Return why nothing may be called `ref` (a full name), in words; empty if it may.

    Git looks for a short name among tags before branches, and among both before what a clone knows of its remotes.
    `exists` tells whether there is a ref of a full name.
    """
    tag = ref.startswith(TAGS)
    name = ref.removeprefix(TAGS if tag else HEADS)
    first, inside, _ = name.partition("/")
    if not is_ref(ref):
        return f"{name} is not a valid name for git"
    if re.fullmatch(_GIT_S_OWN, name):
        return f"git gives the name {name} a meaning of its own"
    if first in _PLACES or (tag and inside and first in _REMOTES):
        return f"the {'tag' if tag else 'branch'} {name} could be taken for a branch of a remote, or another ref"
    if exists((HEADS if tag else TAGS) + name):
        return f"there is a {'branch' if tag else 'tag'} {name} already; git confuses a branch and a tag of one name"
    return ""
