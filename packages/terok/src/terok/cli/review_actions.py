"""Things done about a task's work beside looking at it: comments, marks, checks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from terok_util import UsageError, safe_text, show

from terok.cli.review_rows import check_row, comment_row, said
from terok.cli.task_options import read_text
from terok.services import Reviews, Tasks

if TYPE_CHECKING:
    from terok.services.gates import Work

_DEFAULT_SECONDS = 1800


def act(
    what: str, branch: str | None, project: str | None, chosen: dict[str, Any], *, timeout: int | None, as_json: bool
) -> int:
    """Do the one thing that is asked for; returns the exit code."""
    with Tasks() as tasks:
        reviews = Reviews(tasks)
        work = reviews.find(what, branch=branch, project=project)
        return _act(reviews, work, what, chosen, timeout=timeout, as_json=as_json)


def _act(reviews: Reviews, work: Work, what: str, chosen: dict[str, Any], *, timeout: int | None, as_json: bool) -> int:
    ((name, value),) = chosen.items()
    if name == "comment":
        return _comment(reviews, work, what, value, as_json=as_json)
    if name == "check":
        return _check(reviews, work, value, timeout or _DEFAULT_SECONDS, as_json=as_json)
    if name == "resolve":
        reviews.resolve(work, value)
        show({"id": value}, as_json, f"comment {value} is resolved")
    elif name in ("viewed", "not_viewed"):
        reviews.mark_viewed(work, value, on=name == "viewed")
        state = "viewed for as long as it stays as it is" if name == "viewed" else "not viewed"
        show({"path": safe_text(value), "viewed": name == "viewed"}, as_json, f"{safe_text(value)} is {state}")
    else:
        return _comments(reviews, work, as_json=as_json)
    return 0


def _comment(reviews: Reviews, work: Work, what: str, words: list[str], *, as_json: bool) -> int:
    """Write a comment: `PLACE TEXT`, or a text alone for all of the work."""
    if len(words) > 2:
        raise UsageError("a comment is a place and a text", hint='quote the text: `--comment PATH:12 "…"`')
    where, text = ("", words[0]) if len(words) == 1 else words
    number = reviews.comment(work, where, read_text("-") if text == "-" else text)
    said = f'comment {number} goes with the next follow-up: `terok task followup {what} "…"`'
    show({"id": number}, as_json, said)
    return 0


def _comments(reviews: Reviews, work: Work, *, as_json: bool) -> int:
    found = {one.id: one for one in reviews.comments(work)}
    places = {one.comment.id: one.now for one in reviews.placed(work)}
    rows = [
        comment_row(one, places.get(one.id), stale=places[one.id] is None if one.id in places else None)
        for one in found.values()
    ]
    lines = [said(one, places.get(one.id, one.place)) for one in found.values()]
    show(rows, as_json, lines or "no comments")
    return 0


def _check(reviews: Reviews, work: Work, command: str, timeout: int, *, as_json: bool) -> int:
    """Run a check; returns 0 if it passed, else 1."""
    run = reviews.check(work, command, timeout=timeout, on_line=None if as_json else print)
    took = (run.ended or run.started) - run.started
    code = f" with exit code {run.exit_code}" if run.state == "failed" else ""
    show(check_row(run), as_json, f"check {run.id} of {run.tip[:12]}: {run.state}{code} after {took:.1f} s")
    return 0 if run.state == "passed" else 1
