"""Comments on the work of an agent: written at a place, sent once with the next prompt, and found again later."""

from __future__ import annotations

import pwd
from dataclasses import replace
from os import getuid
from typing import TYPE_CHECKING

from terok_util import LeanTuple, UsageError, safe_text

from terok.model.anchors import Place, Quote, found_again, moved, parse_place, quote
from terok.model.review import MOST_TEXT, Comment
from terok.services.review_diffs import Changes, file_lines, has_commit, read_changes
from terok.store.reviewing import add_comment, comments

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from terok.store import Store


class Placed(LeanTuple):
    """A comment, and where it stands in the commit that is looked at; None if it is stale."""

    comment: Comment
    now: Place | None


class Reviewed(LeanTuple):
    """A commit that is looked at: whose branch, in which mirror, and where it has left the upstream ("": nowhere)."""

    mirror: Path
    task: str
    branch: str
    tip: str
    base: str


def write_comment(store: Store, reviewed: Reviewed, where: str, text: str) -> int:
    """Write a comment and return its number.

    `where` is a place as `parse_place` reads it, or `#N` to answer comment N.

    Raises:
        UsageError: The place is not there, or the text is empty or too long.
    """
    text = text.strip()
    if not text or len(text) > MOST_TEXT:
        raise UsageError(f"a comment has 1 to {MOST_TEXT} characters", hint="put longer material into a file")
    thread = None
    if where.startswith("#"):
        answered = _of_number(comments(store, reviewed.task), where)
        place, quoted, thread = answered.place, answered.quote, answered.thread or answered.id
    else:
        place, quoted = _located(reviewed, where)
    with store.write() as writer:
        return add_comment(
            writer,
            reviewed.task,
            reviewed.branch,
            reviewed.tip,
            reviewed.base,
            place,
            quoted,
            text,
            author=_person(),
            thread=thread,
        )


def place_comments(store: Store, reviewed: Reviewed, changes: Changes) -> list[Placed]:
    """Return the comments on a branch with their places in the commit that is looked at; `changes` are its own."""
    known = [one for one in comments(store, reviewed.task) if one.branch == reviewed.branch]
    finder = _Finder(reviewed, changes)
    return [Placed(one, finder.find(one)) for one in known]


def _of_number(known: Iterable[Comment], where: str) -> Comment:
    found = next((one for one in known if f"#{one.id}" == where), None)
    if found is None:
        raise UsageError(
            f"there is no comment {safe_text(where, limit=20)}", hint="`terok review TASK --comments` lists them"
        )
    return found


def _located(reviewed: Reviewed, where: str) -> tuple[Place, Quote]:
    if not where:
        return Place(), Quote()
    if file_lines(reviewed.mirror, reviewed.tip, where) is not None:  # a name may end like a line's number
        return Place(where), Quote()
    place = parse_place(where)
    commit = reviewed.base if place.side == "old" else reviewed.tip
    lines = file_lines(reviewed.mirror, commit, place.path) if commit else None
    changed = Changes(())
    if lines is None:
        changed = read_changes(reviewed.mirror, reviewed.base, reviewed.tip) if reviewed.base else changed
        if place.side == "old" and (renamed := changed.file(place.path)) is not None:
            place = replace(place, path=renamed.old_path)
            lines = file_lines(reviewed.mirror, commit, place.path)
    if place.first is None:
        if lines is None and changed.file(place.path) is None:
            raise _no_file(place, reviewed)
        return place, Quote()
    if lines is None:
        raise _no_file(place, reviewed)
    assert place.last is not None
    if place.last > len(lines):
        raise UsageError(
            f"{safe_text(place.path, limit=200)} has {len(lines)} lines there",
            hint="name lines as the review numbers them",
        )
    return place, quote(lines, place.first, place.last)


def _no_file(place: Place, reviewed: Reviewed) -> UsageError:
    return UsageError(
        f"commit {reviewed.tip[:12]} has no lines of {safe_text(place.path, limit=200)!r}",
        hint="name a file as the review does, `PATH:12` or, for deleted lines, `PATH:-12`",
    )


def _person() -> str:
    try:
        return pwd.getpwuid(getuid()).pw_name
    except KeyError:
        return str(getuid())


class _Finder:
    """Finds the places of comments in one commit; every pair of commits is compared once."""

    def __init__(self, reviewed: Reviewed, changes: Changes) -> None:
        self._reviewed, self._own = reviewed, changes
        self._known: dict[tuple[str, str], Changes | None] = {}

    def find(self, comment: Comment) -> Place | None:
        """Return where a comment stands now."""
        place = comment.place
        if not place.path:
            return place
        old = place.side == "old"
        before, now = (comment.base, self._reviewed.base) if old else (comment.tip, self._reviewed.tip)
        found = self._carried(comment, before, now)
        if found is not None and old and not self._deleted(found):
            return None
        return found

    def _carried(self, comment: Comment, before: str, now: str) -> Place | None:
        place = comment.place
        if before == now:
            return place
        if not now:
            return None
        between = self._between(before, now)
        file = between.file(place.path) if between is not None else None
        if between is not None and file is None:  # the file is as it was
            return place
        if file is not None and file.status == "D":
            return None
        path = file.path if file is not None else place.path
        if place.first is None or place.last is None:
            there = file is not None or file_lines(self._reviewed.mirror, now, path) is not None
            return Place(path) if there else None
        hunks = file.hunks() if file is not None and file.patch is not None else None
        lines = moved(hunks, place.first, place.last) if hunks is not None else None
        if lines is None:
            content = file_lines(self._reviewed.mirror, now, path)
            lines = None if content is None else found_again(comment.quote, content, place.first, hunks)
        return Place(path, *lines, place.side) if lines is not None else None

    def _between(self, before: str, now: str) -> Changes | None:
        """Return what changes between two commits; None if the first has gone from the mirror."""
        if (before, now) not in self._known:
            mirror = self._reviewed.mirror
            there = bool(before) and has_commit(mirror, before)
            self._known[before, now] = read_changes(mirror, before, now, context=0) if there else None
        return self._known[before, now]

    def _deleted(self, place: Place) -> bool:
        """Whether the branch still changes a line of what it has left the upstream with."""
        file = self._own.file(place.path)
        gone = {line.old for hunk in file.hunks() for line in hunk.lines if line.kind == "-"} if file else set()
        return any(number in gone for number in range(place.first or 0, (place.last or 0) + 1))
