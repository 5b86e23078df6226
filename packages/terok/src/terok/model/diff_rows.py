"""A hunk as people look at it: the two files side by side, and the words that have changed within a line."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from terok_util import LeanTuple

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from terok.model.hunks import Hunk, Line

_WORD: Final = re.compile(r"\w+|\s+|.", re.DOTALL)
_MOST_WORDS: Final = 400
"""Words of a line beyond which all of it counts as changed."""
_ALIKE: Final = 0.35
"""How much of two lines has to be the same for their words to be compared, of 1."""

Spans = tuple[tuple[int, int], ...]
"""Places in a text, each from its first character to behind its last."""


class Pair(LeanTuple):
    """A line of the old file and the one of the new that stands beside it; None where there is none."""

    old: Line | None
    new: Line | None


class Changed(LeanTuple):
    """The words of two lines that are not the same."""

    old: Spans
    new: Spans


def side_by_side(hunk: Hunk) -> Iterator[Pair]:
    """Yield the lines of a hunk in pairs: deleted ones beside those that are added in their place."""
    gone: list[Line] = []
    come: list[Line] = []
    for line in hunk.lines:
        if line.kind == "-" and not come:
            gone.append(line)
        elif line.kind == "+":
            come.append(line)
        else:
            yield from _paired(gone, come)
            gone, come = ([line], []) if line.kind == "-" else ([], [])
            if line.kind == " ":
                yield Pair(line, line)
    yield from _paired(gone, come)


def changed_words(old: str, new: str) -> Changed | None:
    """Return what differs between two lines; None if they have too little in common for that to say anything."""
    from difflib import SequenceMatcher  # a review without words starts sooner without

    before, after = _WORD.findall(old), _WORD.findall(new)
    if max(len(before), len(after)) > _MOST_WORDS:
        return None
    matcher = SequenceMatcher(None, before, after, autojunk=False)
    if matcher.real_quick_ratio() < _ALIKE or matcher.ratio() < _ALIKE:
        return None
    differing = [code for code in matcher.get_opcodes() if code[0] != "equal"]
    return Changed(
        _spans(before, [(start, end) for _, start, end, _, _ in differing]),
        _spans(after, [(start, end) for _, _, _, start, end in differing]),
    )


def word_changes(hunk: Hunk) -> dict[Line, Spans]:
    """Return the changed words of every line that has a counterpart like it."""
    found: dict[Line, Spans] = {}
    for old, new in side_by_side(hunk):
        if old is None or new is None or old is new:
            continue
        if (changed := changed_words(old.text, new.text)) is not None:
            found[old], found[new] = changed
    return found


def _paired(gone: Sequence[Line], come: Sequence[Line]) -> Iterator[Pair]:
    for place in range(max(len(gone), len(come))):
        yield Pair(gone[place] if place < len(gone) else None, come[place] if place < len(come) else None)


def _spans(words: Sequence[str], ranges: Sequence[tuple[int, int]]) -> Spans:
    ends = [0]
    for word in words:
        ends.append(ends[-1] + len(word))
    return tuple((ends[start], ends[end]) for start, end in ranges if end > start)
