"""Show a person what a branch of a mirror brings: commits, statistics and patch, as text that is safe to print."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from terok_util.process import OutputTooLarge
from terok_util.text import safe_text

from terok_sandbox.gate.errors import GateError, NoSuchBranch
from terok_sandbox.gate.identities import Signature, person, remarks
from terok_sandbox.gate.invoke import run_git
from terok_sandbox.gate.layout import read_record
from terok_sandbox.gate.refs import HEADS, UPSTREAM, RefSet, head_branch, read_refs

MAX_COMMITS: Final = 1000
MAX_PATCH: Final = 64 * 1024 * 1024

_UNSHOWN: Final = """The patch is too large to be shown at once. Read it file by file:
  git --git-dir={} -c core.quotePath=true diff-tree -p {} {} -- PATH
"""

EMPTY_TREE: Final = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


@dataclass(frozen=True, slots=True)
class CommitSummary:
    """One commit; `date` is ISO 8601, and all text is safe to print. `remarks` say what stands out in it."""

    oid: str
    author: str
    date: str
    subject: str
    remarks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Review:
    """What a branch has that its base has not; `base` is a commit, or None when the two share nothing.

    `whole` is False when the patch is too large to be shown; `patch` says so then, and how to read it.
    """

    branch: str
    tip: str
    base: str | None
    commits: tuple[CommitSummary, ...]
    diffstat: str
    patch: str
    whole: bool = True


def review_branch(mirror: Path, branch: str) -> Review:
    """Compare `branch` with where it left what `base_tip` names; `NoSuchBranch` when there is none."""
    refs = read_refs(mirror)
    tip = refs.refs.get(HEADS + branch)
    if tip is None:
        raise NoSuchBranch(branch, mirror.name.removesuffix(".git"))
    start = _fork_point(mirror, tip, base_tip(mirror, refs, branch))
    origin = start or EMPTY_TREE[len(tip)]
    patch = _patch(mirror, origin, tip)
    return Review(
        branch=safe_text(branch),
        tip=tip,
        base=start,
        commits=commits_between(mirror, start, tip),
        diffstat=_diff(mirror, origin, tip, "--stat=100"),
        patch=patch if patch is not None else _UNSHOWN.format(mirror, origin, tip),
        whole=patch is not None,
    )


def base_tip(mirror: Path, refs: RefSet, branch: str) -> str | None:
    """Return the commit that a branch's new work is counted from.

    It is the upstream's branch of that name, else the upstream's default branch; of a project without upstream the
    mirror's. None when there is no such branch: all is new then.
    """
    default = head_branch(mirror)
    base = refs.refs.get(UPSTREAM + branch) or refs.refs.get(UPSTREAM + default)
    if base is None and branch != default and read_record(mirror).upstream is None:
        return refs.refs.get(HEADS + default)  # agents push to it: no base for what is to go upstream
    return base


def _fork_point(mirror: Path, tip: str, base: str | None) -> str | None:
    if base is None:
        return None
    done = run_git("merge-base", tip, base, git_dir=mirror, check=False)
    return done.text.strip() or None


def commits_between(mirror: Path, start: str | None, tip: str) -> tuple[CommitSummary, ...]:
    """Return the newest `MAX_COMMITS` of those that `tip` has and `start` (None: nothing) has not."""
    without = [f"^{start}"] if start else []
    form = "--format=%H%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%s"
    done = run_git("log", form, f"--max-count={MAX_COMMITS}", "--end-of-options", tip, *without, git_dir=mirror)
    found, mine = [], person()
    for line in done.stdout.decode("utf-8", "replace").split("\n"):
        fields = line.split("\0")
        if len(fields) == 8:
            author, committer = Signature(*fields[1:4]), Signature(*fields[4:7])
            told = tuple(safe_text(remark) for remark in remarks(author, committer, mine))
            oid, date, subject = (safe_text(field) for field in (fields[0], fields[3], fields[7]))
            found.append(CommitSummary(oid, str(author), date, subject, told))
    return tuple(found)


def _patch(mirror: Path, origin: str, tip: str) -> str | None:
    """Return the patch; None when there is more of it than `MAX_PATCH` bytes."""
    try:
        return _diff(mirror, origin, tip, "--patch")
    except GateError as error:
        if isinstance(error.__cause__, OutputTooLarge):
            return None
        raise


def _diff(mirror: Path, origin: str, tip: str, form: str) -> str:
    done = run_git(
        "diff-tree", "-r", form, "--end-of-options", origin, tip, git_dir=mirror, timeout=120.0, max_output=MAX_PATCH
    )
    return safe_text(done.stdout, multiline=True)
