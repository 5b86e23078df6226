"""A review as rows: what it is about, then every file with its lines, and what is said about them below them. Pure."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import TYPE_CHECKING, Final, Literal, NamedTuple

from terok_util import safe_text

from terok.model.diff_rows import changed_words, side_by_side
from terok.tui.views.rows import passed
from terok.tui.views.text import Line, Span, cropped, said

if TYPE_CHECKING:
    from terok.model.diff_rows import Spans
    from terok.model.hunks import FileDiff, Hunk
    from terok.model.hunks import Line as DiffLine
    from terok.model.review import Comment
    from terok.services.review_look import Look

Kind = Literal["head", "file", "hunk", "line", "remark"]
_TOLD: Final = {"A": "added", "C": "copied", "D": "deleted", "M": "", "R": "renamed", "T": "of another type"}
_NARROW: Final = 100
_TAB: Final = 4
Remarks = dict[tuple[str, str, int], list[Line]]
"""Everything that is said, by path, side (`new`, `old`, `file`) and line."""


class Row(NamedTuple):
    """One line of a review.

    `where` is the place that a comment written here is about, "" for everything. A `line` has its text, the sign it
    bears, its numbers, and the text of its counterpart in the other file, if it was changed into something like it.
    """

    kind: Kind
    line: Line = ()
    path: str = ""
    where: str = ""
    text: str = ""
    sign: str = " "
    old: int | None = None
    new: int | None = None
    other: str = ""


class Sheet(NamedTuple):
    """All rows of a review, and the numbers of those that begin a file; `viewed` are the paths that are marked."""

    title: str
    rows: tuple[Row, ...]
    files: tuple[int, ...]
    viewed: frozenset[str]
    since: bool

    def file_at(self, number: int) -> str:
        """Return the path of the file that a row is in, "" above the first."""
        return self.rows[number].path if 0 <= number < len(self.rows) else ""

    def next_file(self, number: int, step: int) -> int:
        """Return the row of the next file's beginning, or of the one before; the last or first again at an end."""
        if not self.files:
            return number
        if step > 0:
            return next((one for one in self.files if one > number), self.files[-1])
        return next((one for one in reversed(self.files) if one < number), self.files[0])


def sheet(look: Look, now: float) -> Sheet:
    """Return the rows of a review; files that are viewed, and as they were then, are not unfolded."""
    remarks = _remarks(look)
    rows = list(_head(look, now))
    files, viewed = [], set()
    for file in look.changes.files:
        marked = (file.path, file.new_blob) in look.viewed
        if marked:
            viewed.add(file.path)
        files.append(len(rows))
        rows += _file(file, remarks, marked=marked, whole=look.changes.whole)
    title = f"review {look.work.branch} at {look.reviewed.tip[:12]}"
    return Sheet(safe_text(title, limit=120), tuple(rows), tuple(files), frozenset(viewed), look.since is not None)


def row_line(row: Row, cells: int) -> Line:
    """Return a row as it is shown in a width."""
    if row.kind != "line":
        return cropped(row.line, cells)
    style = {"+": "added", "-": "removed"}.get(row.sign, "plain")
    numbers = f"{_number(row.old)} {_number(row.new)}" if cells >= _NARROW else _number(row.new or row.old)
    head = (Span(f"{numbers} ", "dim"), Span(f"{row.sign} ", style))
    spans = _changed(row.sign, row.text, row.other) if row.other else ()
    return cropped((*head, *_text(row.text, spans, style)), cells)


def _text(text: str, spans: Spans, style: str) -> Iterator[Span]:
    at = 0
    for start, end in spans:
        yield Span(_safe(text[at:start]), style)
        yield Span(_safe(text[start:end]), f"{style}-word")
        at = end
    yield Span(_safe(text[at:]), style)


@lru_cache(512)
def _changed(sign: str, text: str, other: str) -> Spans:
    """Return the changed words of a line; asked for only where it is seen, because to compare takes its time."""
    found = changed_words(other, text) if sign == "+" else changed_words(text, other)
    return () if found is None else found.new if sign == "+" else found.old


def _head(look: Look, now: float) -> Iterator[Row]:
    if look.since is not None:
        before = look.since.round
        yield _say(f"since {before.tip[:12]}, which was looked at {passed(now - before.at)} ago", "bold")
        yield from (_say(f"  note: {note}", "dim") for note in look.since.notes)
    if look.moved is not None:
        yield _say(f"{look.moved.target} has got {look.moved.commits} commits upstream since", "needs")
        yield from (_say(f"  {subject}", "dim") for subject in look.moved.subjects)
        if look.moved.files:
            yield _say(f"  both change {', '.join(look.moved.files)}", "needs")
    for commit in look.seen.review.commits:
        names = (said(f"{commit.oid[:12]}  ", "meta"), said(commit.subject), said(f"  {commit.author}", "dim"))
        yield Row("head", names)
        yield from (_say(f"  ! {remark}", "needs") for remark in commit.remarks)
    if not look.seen.review.commits:
        yield _say("no commits of its own", "dim")
    for finding in (*look.seen.report.refused, *look.seen.report.flagged):
        if not finding.path:
            yield _say(f"! {finding.rule}: {finding.detail}", "needs")
    for one in look.comments:
        if one.comment.resolved is None and (one.now is None or not one.now.path):
            stale = f" on {one.comment.place}, which has changed since [stale]" if one.now is None else ""
            yield from (Row("remark", line) for line in _comment(one.comment, stale))
    latest = {(check.tip, check.command): check for check in look.checks}
    for check in latest.values():
        which = "" if check.tip == look.reviewed.tip else f" on {check.tip[:12]}"
        style = "added" if check.state == "passed" else "needs"
        yield Row("head", (Span("check ", "dim"), said(check.state, style), said(f"  {check.command}{which}")))
    yield _say(_sum(look), "bold")
    yield Row("head")


def _sum(look: Look) -> str:
    count = len(look.changes.files)
    viewed = sum((file.path, file.new_blob) in look.viewed for file in look.changes.files)
    return f"{count} {'file' if count == 1 else 'files'}" + (f", {viewed} viewed" if viewed else "")


def _file(file: FileDiff, remarks: Remarks, *, marked: bool, whole: bool) -> Iterator[Row]:
    hunks = file.hunks()
    yield Row("file", _file_head(file, hunks, marked=marked), file.path, file.path)
    for line in remarks.get((file.path, "file", 0), ()):
        yield Row("remark", line, file.path, file.path)
    if marked:
        return
    if file.patch is None and not whole:
        yield Row("remark", (Span("  its change is too large to be shown at once", "dim"),), file.path, file.path)
    for hunk in hunks:
        heading = (Span(f"  @@ {hunk.new} ", "meta"), said(hunk.heading, "dim"))
        yield Row("hunk", heading, file.path, file.path)
        yield from _lines(file, hunk, remarks)
    yield Row("head", (), file.path, file.path)


def _file_head(file: FileDiff, hunks: Iterable[Hunk], *, marked: bool) -> Line:
    added = sum(line.kind == "+" for hunk in hunks for line in hunk.lines)
    gone = sum(line.kind == "-" for hunk in hunks for line in hunk.lines)
    notes = [note for note in (_TOLD[file.status], _mode(file), "binary" if file.binary else "") if note]
    name = file.path if file.old_path == file.path else f"{file.old_path} => {file.path}"
    return (
        Span("= " if marked else "  ", "dim"),
        said(name, "bold"),
        Span(f"  +{added}", "added"),
        Span(f" -{gone}", "removed"),
        said(f"  {', '.join(notes)}" if notes else "", "needs"),
        Span("  viewed" if marked else "", "dim"),
    )


def _mode(file: FileDiff) -> str:
    if file.submodule:
        return "submodule"
    if file.status == "A":
        return "" if file.new_mode == "100644" else f"mode {file.new_mode}"
    changed = file.old_mode != file.new_mode and file.status != "D"
    return f"mode {file.old_mode} => {file.new_mode}" if changed else ""


def _lines(file: FileDiff, hunk: Hunk, remarks: Remarks) -> Iterator[Row]:
    others = _counterparts(hunk)
    for line in hunk.lines:
        old_side = line.kind == "-"
        where = f"{file.path}:-{line.old}" if old_side else f"{file.path}:{line.new}"
        text = line.text.removesuffix("\r") + (f" … {line.cut} bytes more" if line.cut else "")
        row = Row("line", (), file.path, where, text, line.kind, line.old, line.new, others.get(line, ""))
        yield row
        number, side = (line.old, "old") if old_side else (line.new, "new")
        for remark in remarks.get((file.path, side, number or 0), ()):
            yield Row("remark", remark, file.path, where)


def _counterparts(hunk: Hunk) -> Mapping[DiffLine, str]:
    found = {}
    for old, new in side_by_side(hunk):
        if old is not None and new is not None and old is not new:
            found[old], found[new] = new.text, old.text
    return found


def _remarks(look: Look) -> Remarks:
    found: Remarks = defaultdict(list)
    for finding in (*look.seen.report.refused, *look.seen.report.flagged):
        if finding.path:
            side, number = ("new", finding.line) if finding.line else ("file", 0)
            text = f"  ! {finding.rule}: {finding.detail}".rstrip(": ")
            found[finding.path, side, number].append((said(text, "needs"),))
    for comment, now in look.comments:
        if comment.resolved is None and now is not None and now.path:
            key = (now.path, now.side, now.last) if now.last is not None else (now.path, "file", 0)
            found[key] += _comment(comment, "")
    return found


def _comment(comment: Comment, where: str) -> list[Line]:
    answer = f" to #{comment.thread}" if comment.thread is not None else ""
    head = f"  # {comment.id}{answer}{where} ({comment.delivery}) {comment.author}: "
    first, *rest = safe_text(comment.text, multiline=True).split("\n")
    return [(said(head, "dim"), said(first, "review")), *((said(f"      {line}", "review"),) for line in rest)]


def _say(text: str, style: str) -> Row:
    return Row("head", (said(text, style),))


def _safe(text: str) -> str:
    return safe_text(text.expandtabs(_TAB), limit=4000)


def _number(number: int | None) -> str:
    return f"{number if number is not None else '':>5}"
