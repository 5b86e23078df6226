"""Where a comment stands: a place in one version of a file, and finding that place again in a later one.

The lines themselves decide, and git's own diff of the two versions where it can be had; a number of a line alone never
does. What was changed since has no place any more: the comment is stale.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, Literal

from terok_util import UsageError, lean_dataclass

if TYPE_CHECKING:
    from collections.abc import Sequence

    from terok.model.hunks import Hunk

Side = Literal["new", "old"]
CONTEXT: Final = 3
"""Lines around a comment's that are kept with it."""
MOST_LINES: Final = 400
"""Lines that one comment may be about."""
_TELLING: Final = 8
"""Characters, without white space, by which a line that is there once says enough by itself."""
_PLACE: Final = re.compile(r"(?P<path>.+):(?P<old>-?)(?P<first>[0-9]{1,9})(?:-(?P<last>[0-9]{1,9}))?")


@lean_dataclass(frozen=True, slots=True)
class Place:
    """The lines that a comment is about, or its file (`first` is None), or everything (`path` is "").

    `side` says whose lines: of the reviewed commit (`new`), or of what it changes (`old`), as deleted ones are.
    """

    path: str = ""
    first: int | None = None
    last: int | None = None
    side: Side = "new"

    def __str__(self) -> str:
        if self.first is None or self.last is None:
            return self.path
        sign = "-" if self.side == "old" else ""
        return f"{self.path}:{sign}{self.first}" + (f"-{self.last}" if self.last != self.first else "")


@lean_dataclass(frozen=True, slots=True)
class Quote:
    """The lines that a comment is about, and those around them, as they were when it was written."""

    lines: tuple[str, ...] = ()
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


def parse_place(text: str) -> Place:
    """Return the place that a person means by `PATH`, `PATH:12`, `PATH:12-20` or, for deleted lines, `PATH:-12`."""
    match = _PLACE.fullmatch(text)
    if match is None:
        return Place(text)
    first = int(match["first"])
    last = int(match["last"]) if match["last"] else first
    if first < 1 or last < first:
        raise UsageError(f"{text[:80]!r} names no lines", hint="lines are counted from 1: PATH:12 or PATH:12-20")
    if last - first >= MOST_LINES:
        raise UsageError(f"a comment is about {MOST_LINES} lines at most", hint="name the first of them, or the file")
    return Place(match["path"], first, last, "old" if match["old"] else "new")


def quote(lines: Sequence[str], first: int, last: int) -> Quote:
    """Return lines `first` to `last` of a file, which it has, with those around them."""
    return Quote(
        tuple(lines[first - 1 : last]),
        tuple(lines[max(0, first - 1 - CONTEXT) : first - 1]),
        tuple(lines[last : last + CONTEXT]),
    )


def moved(hunks: Sequence[Hunk], first: int, last: int) -> tuple[int, int] | None:
    """Return where lines of the old file are in the new one; None if any of them was changed or parted."""
    shift = 0
    for hunk in hunks:
        for line in hunk.lines:
            if line.kind == "+":
                after = (line.new or 0) - shift - 1  # the old line that this one has been put behind
                if first <= after < last:
                    return None
                shift += after < first
            elif line.kind == "-" and line.old is not None:
                if first <= line.old <= last:
                    return None
                shift -= line.old < first
    return first + shift, last + shift


def found_again(
    quoted: Quote, lines: Sequence[str], near: int, hunks: Sequence[Hunk] | None = None
) -> tuple[int, int] | None:
    """Return where quoted lines are in another version of their file; None unless only one place can be meant.

    `near` is the number of the first of them before. With the `hunks` between the two versions only lines that are new
    there count, as of a block that was moved: others that look alike have been there before.
    """
    count = len(quoted.lines)
    places = [at for at in range(len(lines) - count + 1) if tuple(lines[at : at + count]) == quoted.lines]
    if hunks is not None:
        added = {line.new for hunk in hunks for line in hunk.lines if line.kind == "+"}
        places = [at for at in places if added.issuperset(range(at + 1, at + count + 1))]
    if not places or not count:
        return None
    scores = {at: _likeness(quoted, lines, at, count) for at in places}
    best = [at for at in places if scores[at] == max(scores.values())]
    chosen = best[0] if len(best) == 1 else near - 1
    telling = max(len("".join(line.split())) for line in quoted.lines) >= _TELLING
    around = min(2, len(quoted.before) + len(quoted.after))
    enough = 0 if telling and len(places) == 1 else around
    return (chosen + 1, chosen + count) if chosen in best and scores[chosen] >= enough else None


def _likeness(quoted: Quote, lines: Sequence[str], at: int, count: int) -> int:
    """Return how many lines around a place are those that were around the quoted ones."""
    score = 0
    for distance, line in enumerate(reversed(quoted.before), start=1):
        score += at - distance >= 0 and lines[at - distance] == line
    for distance, line in enumerate(quoted.after):
        place = at + count + distance
        score += place < len(lines) and lines[place] == line
    return score
