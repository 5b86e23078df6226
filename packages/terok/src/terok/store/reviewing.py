"""The rows of reviews: comments, viewed files, rounds and checks, read from the database and written to it."""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from terok.model.anchors import Place, Quote
from terok.model.review import AT_ONCE, CheckRun, Comment, Round, delivery
from terok.store.lease import held, own_lease

if TYPE_CHECKING:
    from terok.model.review import CheckState
    from terok.store.reading import Reading
    from terok.store.writer import Writer

_COMMENT = (
    "comments.id, comments.task, comments.branch, tip, base, place, quote, comments.text, author, written, thread,"
    " follow_up, resolved, followups.state, followups.changed, started, ended FROM comments"
    " JOIN tasks ON tasks.id = comments.task LEFT JOIN followups ON followups.id = follow_up"
)
_CHECK = "id, task, branch, tip, command, state, exit_code, output, left_out, started, ended, lease FROM checks"


def comments(store: Reading, task_id: str, *, follow_up: int | None = None) -> list[Comment]:
    """Return the comments of a task in their order, or those of it that go with a follow-up and are not resolved."""
    if follow_up is None:
        found = store.rows(f"SELECT {_COMMENT} WHERE comments.task = ? ORDER BY comments.id", task_id)
    else:
        found = store.rows(
            f"SELECT {_COMMENT} WHERE comments.task = ? AND follow_up = ? AND resolved IS NULL ORDER BY comments.id",
            *(task_id, follow_up),
        )
    return [_comment(row) for row in found]


def _comment(row: Any) -> Comment:
    place = Place(**json.loads(row[5]))
    quoted = Quote(**{name: tuple(lines) for name, lines in json.loads(row[6]).items()})
    return Comment._make((*row[:5], place, quoted, *row[7:13], delivery(*row[13:])))


def add_comment(
    writer: Writer,
    task_id: str,
    branch: str,
    tip: str,
    base: str,
    place: Place,
    quoted: Quote,
    text: str,
    *,
    author: str,
    thread: int | None = None,
) -> int:
    """Write a comment and return its number."""
    found = writer.rows(
        "INSERT INTO comments (task, branch, tip, base, place, quote, text, author, written, thread)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?) RETURNING id",
        *(task_id, branch, tip, base, json.dumps(asdict(place)), json.dumps(asdict(quoted)), text, author),
        *(writer.at, thread),
    )
    writer.event(task_id, "comment", id=found[0][0], place=str(place), state="written")
    return int(found[0][0])


def send_comments(writer: Writer, task_id: str, follow_up: int) -> None:
    """Let all comments that wait go with a follow-up that is claimed in this transaction, and so exactly once."""
    sent = writer.rows(
        "UPDATE comments SET follow_up = ?1 WHERE id IN (SELECT id FROM comments WHERE task = ?2 AND resolved IS NULL"
        " AND (follow_up IS NULL OR follow_up IN (SELECT id FROM followups WHERE state IN ('written', 'taken_back')))"
        " ORDER BY id LIMIT ?3) RETURNING id",
        *(follow_up, task_id, AT_ONCE),
    )
    if sent:
        writer.event(task_id, "comments_sent", ids=sorted(row[0] for row in sent), follow_up=follow_up)


def resolve_comment(writer: Writer, task_id: str, number: int) -> bool:
    """Settle a comment, so that it is not sent any more; returns whether it was open."""
    done = writer.rows(
        "UPDATE comments SET resolved = ? WHERE id = ? AND task = ? AND resolved IS NULL RETURNING id",
        *(writer.at, number, task_id),
    )
    if done:
        writer.event(task_id, "comment", id=number, state="resolved")
    return bool(done)


def viewed(store: Reading, task_id: str) -> set[tuple[str, str]]:
    """Return path and content of the files of a task that a person has done with."""
    return set(map(tuple, store.rows("SELECT path, blob FROM viewed WHERE task = ?", task_id)))


def mark_viewed(writer: Writer, task_id: str, path: str, blob: str, *, on: bool) -> None:
    """Mark a file with this content as viewed, or take that back."""
    if on:
        writer.rows("INSERT OR IGNORE INTO viewed VALUES (?, ?, ?, ?)", task_id, path, blob, writer.at)
    else:
        writer.rows("DELETE FROM viewed WHERE task = ? AND path = ? AND blob = ?", task_id, path, blob)
    writer.event(task_id, "viewed", path=path, on=on)


def rounds(store: Reading, scope: str, branch: str) -> list[Round]:
    """Return the looks at a branch in their order."""
    found = store.rows(
        "SELECT id, coalesce(task, ''), scope, branch, tip, base, at FROM rounds WHERE scope = ? AND branch = ?"
        " ORDER BY id",
        *(scope, branch),
    )
    return [Round(*row) for row in found]


def add_round(writer: Writer, task_id: str, scope: str, branch: str, tip: str, base: str) -> None:
    """Record a look, unless the last one was at the same commit."""
    last = rounds(writer, scope, branch)[-1:]
    if last and last[0].tip == tip:
        return
    writer.rows(
        "INSERT INTO rounds (task, scope, branch, tip, base, at) VALUES (?, ?, ?, ?, ?, ?)",
        *(task_id or None, scope, branch, tip, base, writer.at),
    )
    if task_id:
        writer.event(task_id, "reviewed", branch=branch, tip=tip)


def check_runs(store: Reading, task_id: str, tip: str | None = None) -> list[CheckRun]:
    """Return the checks of a task, or of one commit of it, the oldest first; one whose process died is broken off."""
    where, values = ("", ()) if tip is None else (" AND tip = ?", (tip,))
    found = store.rows(f"SELECT {_CHECK} WHERE task = ?{where} ORDER BY id", task_id, *values)
    return [_check(row) for row in found]


def _check(row: Any) -> CheckRun:
    run = CheckRun(*row[:-1])
    return run._replace(state="broken off") if run.state == "running" and not held(row[-1]) else run


def begin_check(writer: Writer, task_id: str, branch: str, tip: str, command: str) -> int:
    """Record that this process runs a check, and return its number."""
    found = writer.rows(
        "INSERT INTO checks (task, branch, tip, command, state, output, left_out, started, lease)"
        " VALUES (?, ?, ?, ?, 'running', '', 0, ?, ?) RETURNING id",
        *(task_id, branch, tip, command, writer.at, json.dumps(own_lease())),
    )
    writer.event(task_id, "check", id=found[0][0], tip=tip, state="running")
    return int(found[0][0])


def end_check(
    writer: Writer, number: int, state: CheckState, exit_code: int | None, output: str, left_out: int
) -> None:
    """Record the result of a check."""
    ended = writer.rows(
        "UPDATE checks SET state = ?, exit_code = ?, output = ?, left_out = ?, ended = ?, lease = NULL WHERE id = ?"
        " RETURNING task, tip",
        *(state, exit_code, output, left_out, writer.at, number),
    )
    for task_id, tip in ended:
        writer.event(task_id, "check", id=number, tip=tip, state=state, exit_code=exit_code)
