"""List the branches of a mirror that have commits which the upstream lacks."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from terok_util.values import lean_dataclass

from terok_sandbox.gate.layout import read_record
from terok_sandbox.gate.refs import HEADS, UPSTREAM, RefSet, head_branch, read_refs
from terok_sandbox.gate.review_cache import load_cached, store_cached
from terok_sandbox.gate.review_marks import read_marks

_CACHE: Final = "new-work"


@lean_dataclass(frozen=True, slots=True)
class NewWork:
    """A branch with commits that the upstream lacks; `state` is `new`, `reviewed` or `rejected`."""

    branch: str
    tip: str
    commits: int
    flags: int
    state: str
    note: str = ""


def new_work(mirror: Path) -> list[NewWork]:
    """Return the branches with new work, by name; `MirrorError` if there is no mirror."""
    upstream = read_record(mirror).upstream
    marks = read_marks(mirror)
    refs = read_refs(mirror)
    cached = load_cached(mirror, _CACHE)
    counts: dict[str, list[int]] = {}
    work = []
    for branch, tip in sorted(refs.under(HEADS).items()):
        base = base_tip(mirror, refs, branch, upstream)
        if tip == base or (base is None and upstream is None and branch == head_branch(mirror)):
            continue
        key = f"{tip} {base or ''}"
        commits, flags = counts[key] = cached.get(key) or _count(mirror, tip, base)
        if commits == 0:
            continue
        mark = marks.get(branch)
        current = mark if mark is not None and mark.tip == tip else None
        state = "new" if current is None else "rejected" if current.rejected else "reviewed"
        work.append(NewWork(branch, tip, commits, flags, state, current.note if current else ""))
    if counts != cached:
        store_cached(mirror, _CACHE, counts)
    return work


def base_tip(mirror: Path, refs: RefSet, branch: str, upstream: str | None) -> str | None:
    """Return the commit that a branch's new work is counted from, None when all is new.

    The upstream's branch of that name, else its default branch; without an `upstream` the mirror's.
    """
    default = head_branch(mirror)
    base = refs.refs.get(UPSTREAM + branch) or refs.refs.get(UPSTREAM + default)
    if base is None and branch != default and upstream is None:
        return refs.refs.get(HEADS + default)  # agents push to it: no base for what is to go upstream
    return base


def _count(mirror: Path, tip: str, base: str | None) -> list[int]:
    from terok_sandbox.gate.inspect.inspection import inspect_range
    from terok_sandbox.gate.inspect.objects import Objects
    from terok_sandbox.gate.inspect.policy import load_policy
    from terok_sandbox.gate.mirror import MirrorHistory

    report = inspect_range(Objects(mirror), tip, base, load_policy(mirror))
    commits = report.commits
    if report.refused:  # the inspection may have stopped at what it refuses
        commits = MirrorHistory(mirror).count(tip, without=[base] if base else [])
    return [commits, len(report.flagged) + len(report.refused)]
