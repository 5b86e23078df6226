"""One review as text and as JSON."""

from __future__ import annotations

import time
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

from terok_util import UsageError, safe_text, show

from terok.cli.review_diff import BOLD, Style, file_lines, gathered, painter
from terok.cli.review_rows import check_row, comment_row, file_row, said
from terok.cli.task_rows import age
from terok.cli.width import columns
from terok.integrations.sandbox import page_lines
from terok.integrations.sandbox import write_sarif as write_sarif
from terok.model.diff_text import heading

if TYPE_CHECKING:
    from collections.abc import Iterator

    from terok.model.hunks import FileDiff
    from terok.services.review_look import Look

_FINDINGS: Final = (("refused", "refused by policy"), ("flagged", "to look at"))


def show_look(
    look: Look,
    what: str,
    *,
    as_json: bool,
    files: list[str] | None,
    split: bool,
    words: bool,
    syntax: bool,
) -> None:
    """Print a review, through the person's pager on a terminal; `files` are the only ones to be shown, if given."""
    unknown = [path for path in files or () if look.changes.file(path) is None]
    if unknown:
        raise UsageError(
            f"{safe_text(unknown[0], limit=200)!r} is not changed there", hint=f"`terok review {what}` names the files"
        )
    chosen = [file for file in look.changes.files if not files or {file.path, file.old_path} & set(files)]
    if as_json:
        show(_document(look, chosen), as_json, "")
        return
    paint = painter()
    style = Style(split, words, paint, columns=columns(160))
    if syntax and paint("x", BOLD) != "x":
        from terok.cli.review_syntax import highlighter

        style = style._replace(syntax=highlighter())
    page_lines(chain(_head(look, what), _files(look, chosen, style, named=bool(files))))


def _document(look: Look, chosen: list[FileDiff]) -> dict[str, Any]:
    """Return a review as it is printed with `--json`."""
    document = dict(look.document)
    if look.since is not None:
        document["patch"] = "".join(safe_text(file.patch or b"", multiline=True) for file in chosen)
    since = look.since
    return {
        **document,
        "task": look.work.task,
        "scope": look.work.scope,
        "since": None
        if since is None
        else {
            "tip": since.round.tip,
            "base": since.round.base,
            "at": since.round.at,
            "notes": [safe_text(note) for note in since.notes],
        },
        "files": [file_row(file, look.viewed) for file in chosen],
        "comments": [comment_row(one.comment, one.now, stale=one.now is None) for one in look.comments],
        "checks": [check_row(check) for check in look.checks],
        "upstream": None
        if look.moved is None
        else {
            "branch": look.moved.target,
            "commits": look.moved.commits,
            "subjects": list(look.moved.subjects),
            "files": list(look.moved.files),
        },
    }


def _head(look: Look, what: str) -> Iterator[str]:
    review, now = look.document, time.time()
    yield f"branch {review['branch']} of {look.work.scope} at {review['tip']}"
    if look.since is not None:
        before = look.since.round
        yield f"since {before.tip[:12]}, which was looked at {age(now - before.at)} ago"
        yield from (f"  note: {safe_text(note)}" for note in look.since.notes)
    if look.moved is not None:
        yield f"{look.moved.target} has got {look.moved.commits} commits upstream since:"
        yield from (f"  {subject}" for subject in look.moved.subjects)
        if look.moved.files:
            yield f"  which also change {', '.join(look.moved.files)}"
    yield ""
    for commit in look.seen.review.commits:
        yield f"{commit.oid[:12]}  {commit.date}  {commit.author}  {commit.subject}"
        yield from (f"{'':12}  ! {remark}" for remark in commit.remarks)
    if not look.seen.review.commits:
        yield "no commits of its own"
    for kind, title in _FINDINGS:
        if review[kind]:
            yield from ("", f"{title}:", *(f"  {_finding(row)}" for row in review[kind]))
    yield from _standing(look, what)


def _standing(look: Look, what: str) -> Iterator[str]:
    """Yield what is known beside the files: comments on no line that is shown, and the latest checks."""
    opened = [one for one in look.comments if one.comment.resolved is None]
    if opened:
        yield from ("", f"comments ({len(opened)} open; `terok review {what} --comments` lists all):")
        yield from (f"  {said(one.comment, one.now)}" for one in opened if one.now is None or not one.now.path)
    if look.checks:
        yield from ("", "checks:")
        latest = {(check.tip, check.command): check for check in look.checks}
        for check in latest.values():
            which = "this commit" if check.tip == look.reviewed.tip else check.tip[:12]
            yield f"  {check.state}: {safe_text(check.command, limit=120)} on {which}"


def _files(look: Look, chosen: list[FileDiff], style: Style, *, named: bool) -> Iterator[str]:
    yield ""
    width = max((len(heading(file)) for file in chosen), default=0)
    for file in chosen:
        added, deleted = file.counts()
        mark = "  viewed" if (file.path, file.new_blob) in look.viewed else ""
        yield f" {file.status}  {heading(file):{min(width, 100)}}  +{added} -{deleted}{mark}"
    remarks = gathered(_remarks(look))
    for file in chosen:
        yield from ("", style.paint(f"=== {heading(file)}", BOLD))
        whole = remarks.get(file.path, {})
        yield from (f"{'':12}| {text}" for text in whole.get(("file", 0), ()))
        if (file.path, file.new_blob) in look.viewed and not named:
            yield "viewed, and as it was then; name it with --file to see it"
        elif file.patch is None and not look.changes.whole:
            yield "the patch is too large to be shown at once: name this file with --file"
        else:
            yield from file_lines(file, style, whole)


def _remarks(look: Look) -> Iterator[tuple[str, str, int, str]]:
    """Yield everything that is said about a file, with its path, side and line."""
    for kind, _ in _FINDINGS:
        for finding in (look.seen.report.refused, look.seen.report.flagged)[kind == "flagged"]:
            text = f"! {finding.rule}: {safe_text(finding.detail, limit=200)}".rstrip(": ")
            yield finding.path, "new" if finding.line else "file", finding.line or 0, text
    for comment, now in look.comments:
        if comment.resolved is None and now is not None and now.path:
            side = now.side if now.last is not None else "file"
            file = look.changes.file(now.path)  # which may have had this path before it was renamed
            path = file.path if file is not None else now.path
            lines = said(comment, None, placed=False).split("\n")
            yield from ((path, side, now.last or 0, line) for line in lines)


def _finding(row: dict[str, Any]) -> str:
    where = f"{row['path']}:{row['line']}" if row["line"] is not None else str(row["path"])
    detail = f" ({row['detail']})" if row["detail"] and where else str(row["detail"])
    commit = f" in {row['commit'][:12]}" if row["commit"] else ""
    return f"{row['rule']}: {where}{detail}{commit}"
