"""Show a person what a branch of a mirror brings: commits, statistics, patch and findings, as text safe to print."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final

from terok_util.text import safe_text
from terok_util.values import lean_dataclass

from terok_sandbox.gate.errors import GateError, NoSuchBranch
from terok_sandbox.gate.inspect.policy import Finding
from terok_sandbox.gate.inspect.report import Report
from terok_sandbox.gate.invoke import run_git
from terok_sandbox.gate.layout import read_record
from terok_sandbox.gate.new_work import base_tip
from terok_sandbox.gate.refs import HEADS, UPSTREAM, RefSet, head_branch, ref_tip
from terok_sandbox.gate.review_cache import load_cached, store_cached
from terok_sandbox.gate.review_marks import ReviewMark, read_marks, record_mark, timestamp

MAX_COMMITS: Final = 1000
MAX_PATCH: Final = 64 * 1024 * 1024

_MAX_CONFIG: Final = 256 * 1024
_SETTING: Final = re.compile(r"\s*(name|email)\s*=\s*\"?([^\"#;]*)", re.IGNORECASE)
_LEEWAY: Final = timedelta(days=1)  # clocks differ, and time zones are mistaken
_COMMIT: Final = "--format=%H%x00%an%x00%ae%x00%aI%x00%cn%x00%ce%x00%cI%x00%s"

_UNSHOWN: Final = """The patch is too large to be shown at once. Read it file by file:
  git --git-dir={} -c core.quotePath=true diff-tree -p {} {} -- PATH
"""

EMPTY_TREE: Final = {
    40: "4b825dc642cb6eb9a060e54bf8d69288fbee4904",
    64: "6ef19b41225c5369f1c104d45d8d85efa9b057b53b14b4b9b939dd74decc5321",
}


@lean_dataclass(frozen=True, slots=True)
class CommitSummary:
    """One commit; `date` is ISO 8601, and all text is safe to print. `remarks` say what stands out in it."""

    oid: str
    author: str
    date: str
    subject: str
    remarks: tuple[str, ...] = ()


@lean_dataclass(frozen=True, slots=True)
class Review:
    """The commits of a branch since `base`, the commit where it left its base (None: the two share nothing).

    `whole` is False when the patch is too large to be shown; `patch` says so then, and how to read it.
    """

    branch: str
    tip: str
    base: str | None
    commits: tuple[CommitSummary, ...]
    diffstat: str
    patch: str
    whole: bool = True


@lean_dataclass(frozen=True, slots=True)
class ReviewedBranch:
    """A review and its findings; `target` is the upstream's branch it was compared with, at `target_tip` or None."""

    review: Review
    report: Report
    target: str
    target_tip: str | None


def review_branch(mirror: Path, branch: str) -> ReviewedBranch:
    """Inspect what `branch` brings since it left what `base_tip` names; `NoSuchBranch` when there is none."""
    upstream, default = read_record(mirror).upstream, head_branch(mirror)
    places = [place + name for place in (HEADS, UPSTREAM) for name in (branch, default)]
    refs = RefSet({place: found for place in places if (found := ref_tip(mirror, place))})
    tip = refs.refs.get(HEADS + branch)
    if tip is None:
        raise NoSuchBranch(branch, mirror.name.removesuffix(".git"))
    base = base_tip(mirror, refs, branch, upstream)
    name = f"{tip}-{base or 'all'}"
    cached = load_cached(mirror, name)
    facts = cached or _facts(mirror, tip, base)
    refused, flagged = (tuple(Finding(**row) for row in facts[kind]) for kind in ("refused", "flagged"))
    report = Report(refused, flagged)
    if not cached and all(finding.rule != "push-size" for finding in refused):
        store_cached(mirror, name, facts)  # but for limits of memory, which grow with the mirror
    shown = {name: facts[name] for name in ("base", "diffstat", "patch", "whole")}
    review = Review(branch=safe_text(branch), tip=tip, commits=_summaries(facts["commits"]), **shown)
    target = branch if UPSTREAM + branch in refs.refs else default
    return ReviewedBranch(review, report, target, refs.refs.get(UPSTREAM + target))


def record_review(mirror: Path, branch: str, seen: ReviewedBranch) -> None:
    """Record that a person has seen this; a promotion continues from exactly here."""
    known = read_marks(mirror).get(branch)
    if known is not None and known.rejected and known.tip == seen.review.tip:
        return
    mark = ReviewMark(
        *(branch, seen.review.tip, seen.target, seen.target_tip),
        base=seen.review.base,
        flags=len(seen.report.flagged) + len(seen.report.refused),
        time=timestamp(),
    )
    if known is None or replace(known, time=mark.time) != mark:
        record_mark(mirror, mark)


def commits_between(mirror: Path, start: str | None, tip: str) -> tuple[CommitSummary, ...]:
    """Return the newest `MAX_COMMITS` of those that `tip` has and `start` (None: nothing) has not."""
    return _summaries(_commits(mirror, start, tip))


def _facts(mirror: Path, tip: str, base: str | None) -> dict[str, Any]:
    from terok_sandbox.gate.inspect.inspection import inspect_range
    from terok_sandbox.gate.inspect.objects import Objects
    from terok_sandbox.gate.inspect.policy import load_policy

    shared = run_git("merge-base", tip, base, git_dir=mirror, check=False).text.strip() if base else ""
    start = shared or None
    origin = start or EMPTY_TREE[len(tip)]
    diffstat, patch = _difference(mirror, origin, tip)
    report = inspect_range(Objects(mirror), tip, start, load_policy(mirror))
    flagged = report.flagged
    if patch is None:
        flagged = (*flagged, Finding("not-scanned", "", "the patch is not shown"))
    return {
        "base": start,
        "commits": _commits(mirror, start, tip),
        "diffstat": diffstat,
        "patch": patch if patch is not None else _UNSHOWN.format(mirror, origin, tip),
        "whole": patch is not None,
        "refused": [asdict(finding) for finding in report.refused],
        "flagged": [asdict(finding) for finding in flagged],
    }


def _commits(mirror: Path, start: str | None, tip: str) -> list[list[str]]:
    without = [f"^{start}"] if start else []
    done = run_git("log", _COMMIT, f"--max-count={MAX_COMMITS}", "--end-of-options", tip, *without, git_dir=mirror)
    rows = (line.split("\0") for line in done.stdout.decode("utf-8", "replace").split("\n"))
    return [row for row in rows if len(row) == 8]


def _summaries(rows: list[list[str]]) -> tuple[CommitSummary, ...]:
    mine = person()
    summaries = []
    for row in rows:
        author, committer = Signature(*row[1:4]), Signature(*row[4:7])
        notes = tuple(safe_text(remark) for remark in remarks(author, committer, mine))
        oid, date, subject = (safe_text(field) for field in (row[0], row[3], row[7]))
        summaries.append(CommitSummary(oid, str(author), date, subject, notes))
    return tuple(summaries)


def _difference(mirror: Path, origin: str, tip: str) -> tuple[str, str | None]:
    from terok_util.process import OutputTooLarge

    words = ("diff-tree", "-r", "--stat=100")
    names = ("--end-of-options", origin, tip)
    try:
        done = run_git(*words, "--patch", *names, git_dir=mirror, timeout=120.0, max_output=MAX_PATCH)
    except GateError as error:
        if not isinstance(error.__cause__, OutputTooLarge):
            raise
        stat = run_git(*words, *names, git_dir=mirror, timeout=120.0, max_output=MAX_PATCH).stdout
        return safe_text(stat, multiline=True), None
    stat, _, patch = done.stdout.partition(b"\n\ndiff --git ")
    if patch:
        stat, patch = stat + b"\n", b"diff --git " + patch
    return safe_text(stat, multiline=True), safe_text(patch, multiline=True)


@lean_dataclass(frozen=True, slots=True)
class Signature:
    """A name and address as a commit states them, with a time (ISO 8601, or the text that git printed instead)."""

    name: str
    email: str
    when: str

    def __str__(self) -> str:
        return safe_text(f"{self.name} <{self.email}>")

    def is_of(self, person: frozenset[str]) -> bool:
        """Tell whether it has a name or an address of the `person`."""
        return not person.isdisjoint({self.name.strip().casefold(), self.email.strip().casefold()})


def person(environ: Mapping[str, str] = os.environ) -> frozenset[str]:
    """Return name and address from the person's own git configuration, without running git."""
    home = Path(environ.get("HOME") or "/")
    chosen = environ.get("GIT_CONFIG_GLOBAL")
    places = [Path(environ.get("XDG_CONFIG_HOME") or home / ".config") / "git/config", home / ".gitconfig"]
    known: dict[str, str] = {}
    for place in [Path(chosen)] if chosen else places:
        try:
            with place.open("rb") as stream:
                text = stream.read(_MAX_CONFIG).decode("utf-8", "replace")
        except OSError:
            continue
        section = ""
        for line in text.splitlines():
            if line.lstrip().startswith("["):
                section = line.strip().lower()
            elif section == "[user]" and (match := _SETTING.match(line)):
                known[match[1].lower()] = match[2].strip().casefold()
    return frozenset(value for value in known.values() if value)


def remarks(
    author: Signature, committer: Signature, mine: frozenset[str], now: datetime | None = None
) -> tuple[str, ...]:
    """Return remarks on an agent's commit: the reviewer's own name, another committer, a future date."""
    notes = []
    if author.is_of(mine) or committer.is_of(mine):
        notes.append("in your name")
    if (author.name, author.email) != (committer.name, committer.email):
        notes.append(f"committed by {committer}")
    latest = (now or datetime.now(UTC)) + _LEEWAY
    for verb, moment in (("written", author.when), ("committed", committer.when)):
        try:
            if datetime.fromisoformat(moment) > latest:
                notes.append(f"{verb} in the future: {moment}")
        except (ValueError, TypeError):
            notes.append(f"{verb} at an invalid time")
    return tuple(notes)
