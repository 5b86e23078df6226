"""Rows of reviews for programs, and the same as lines for people."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from terok_util import safe_text

if TYPE_CHECKING:
    from terok.model.anchors import Place
    from terok.model.hunks import FileDiff
    from terok.model.review import CheckRun, Comment


def file_row(file: FileDiff, viewed: frozenset[tuple[str, str]]) -> dict[str, Any]:
    """Return one changed file."""
    added, deleted = file.counts()
    return {
        "status": file.status,
        "path": safe_text(file.path),
        "old_path": safe_text(file.old_path),
        "added": added,
        "deleted": deleted,
        "binary": file.binary,
        "submodule": file.submodule,
        "old_mode": file.old_mode,
        "mode": file.new_mode,
        "blob": file.new_blob,
        "viewed": (file.path, file.new_blob) in viewed,
    }


def comment_row(comment: Comment, now: Place | None = None, *, stale: bool | None = None) -> dict[str, Any]:
    """Return one comment; `now` is where it stands in the commit that is looked at, `stale` None if none is."""
    return {
        "id": comment.id,
        "task": comment.task,
        "branch": safe_text(comment.branch),
        "tip": comment.tip,
        **_place(comment.place),
        "text": safe_text(comment.text, multiline=True),
        "author": safe_text(comment.author),
        "written": comment.written,
        "thread": comment.thread,
        "delivery": comment.delivery,
        "resolved": comment.resolved,
        "stale": stale,
        "now": None if now is None else _place(now),
    }


def check_row(check: CheckRun) -> dict[str, Any]:
    """Return one check."""
    return check._asdict() | {"command": safe_text(check.command), "branch": safe_text(check.branch)}


def said(comment: Comment, now: Place | None, *, placed: bool = True) -> str:
    """Return a comment as safe lines; `placed` says where it was written, and whether it stands somewhere else now."""
    where = ""
    if placed and comment.place.path:
        was = safe_text(str(comment.place), limit=200)
        moved = "" if now == comment.place else f", now {safe_text(str(now), limit=200)}"
        where = f" {was} [stale]" if now is None else f" {was}{moved}"
    state = "resolved" if comment.resolved is not None else comment.delivery
    answer = f" to #{comment.thread}" if comment.thread is not None else ""
    head = f"#{comment.id}{answer}{where} ({state}) {safe_text(comment.author)}: "
    first, *rest = safe_text(comment.text, multiline=True).split("\n")
    return "\n".join((head + first, *(f"    {line}" for line in rest)))


def _place(place: Place) -> dict[str, Any]:
    return {"path": safe_text(place.path), "side": place.side, "first": place.first, "last": place.last}
