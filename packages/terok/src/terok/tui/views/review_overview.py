"""The part of a review before its files: commits, what moved upstream, remarks on no line, checks. Pure."""

from __future__ import annotations

from typing import Final

from terok_util import safe_text

from terok.model.shown import age
from terok.tui.views.review_sheet import Row, Sheet, remark_rows
from terok.tui.views.text import several, wrapped

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from terok.model.review import CheckRun
    from terok.services.review_look import Look
    from terok.tui.views.review_remarks import Remark

_TAIL: Final = 20
"""Lines that a failed check has printed last."""
_NOTED: Final = {"failed": "error", "timed out": "error", "too much output": "error", "passed": "working"}


def overview(look: Look, remarks: Sequence[Remark], cells: int, now: float) -> Sheet:
    """Return everything that is known about a branch beside its files; `now` is in seconds since the epoch."""
    rows = [Row("file", f"{safe_text(look.work.branch)} of {look.work.scope} at {look.reviewed.tip[:12]}", "bold")]
    rows += _since(look, cells, now)
    rows += _moved(look, cells)
    rows += _commits(look, cells)
    if remarks:
        rows += _head("said about no line that is shown")
        rows += [row for remark in remarks for row in remark_rows(remark, cells, placed=True)]
    rows += _checks(look, now)
    return Sheet("", cells, split=False, rows=tuple(rows), texts={})


def _head(text: str) -> Iterator[Row]:
    yield Row("text")
    yield Row("head", text, "meta")


def _text(text: str, cells: int, style: str = "plain") -> Iterator[Row]:
    for line in wrapped(text, max(cells - 3, 8)):
        yield Row("text", f"  {line}", style)


def _since(look: Look, cells: int, now: float) -> Iterator[Row]:
    if look.since is None:
        return
    before = look.since.round
    yield Row("text", f"only what is new since {before.tip[:12]}, looked at {age(now - before.at)} ago", "review")
    for note in look.since.notes:
        yield from _text(note, cells, "dim")


def _moved(look: Look, cells: int) -> Iterator[Row]:
    if look.moved is None:
        return
    yield from _head(f"{look.moved.target} has got {several(look.moved.commits, 'commit')} upstream since")
    for subject in look.moved.subjects:
        yield from _text(subject, cells)
    if look.moved.files:
        yield from _text(f"both change {', '.join(look.moved.files)}", cells, "needs")


def _commits(look: Look, cells: int) -> Iterator[Row]:
    commits = look.seen.review.commits
    yield from _head(several(len(commits), "commit") if commits else "no commits of its own")
    for commit in commits:
        yield from _text(f"{commit.oid[:12]}  {commit.date[:10]}  {commit.author}  {commit.subject}", cells)
        for remark in commit.remarks:
            yield from _text(f"  ! {remark}", cells, "needs")


def _checks(look: Look, now: float) -> Iterator[Row]:
    latest = {(check.tip, check.command): check for check in look.checks}
    if latest:
        yield from _head("checks")
    for check in latest.values():
        yield Row("text", f"  {said(check, look.reviewed.tip, now)}", _NOTED.get(check.state, "plain"))
        if check.tip == look.reviewed.tip and check.state not in ("running", "passed"):
            for line in check.output.splitlines()[-_TAIL:]:
                yield Row("text", f"      {safe_text(line)}", "dim")


def said(check: CheckRun, tip: str, now: float) -> str:
    """Return how a check has ended, with its exit code, and on which commit."""
    code = f" with exit code {check.exit_code}" if check.state == "failed" else ""
    which = "this commit" if check.tip == tip else check.tip[:12]
    when = f"{age(now - (check.ended or check.started))} ago"
    return f"{check.state}{code}: {safe_text(check.command, limit=120)} on {which}, {when}"
