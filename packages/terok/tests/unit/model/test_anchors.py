"""Places of comments: how they are written, and finding them again after edits whose outcome is known."""

from __future__ import annotations

import hashlib
from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.model.anchors import Place, found_again, moved, parse_place, quote
from terok.model.hunks import Hunk, Line
from terok_util import UsageError

COMMON = ("", "}", "    return result", "    x = 1", "else:")


class Dice:
    """Numbers that are the same in every run."""

    def __init__(self, seed: int) -> None:
        self._seed, self._rolls = seed, 0

    def roll(self, sides: int) -> int:
        self._rolls += 1
        return int.from_bytes(hashlib.sha256(b"%d %d" % (self._seed, self._rolls)).digest()[:4]) % sides

    def line(self) -> str:
        return COMMON[self.roll(len(COMMON))] if self.roll(3) == 0 else f"    value_{self.roll(100_000)} = compute()"


def edited(dice: Dice, lines: list[tuple[int, str]]) -> list[tuple[int, str]]:
    """Return lines after one edit; the number beside each tells where it has come from, -1 for a new one."""
    at, size = dice.roll(len(lines)), 1 + dice.roll(4)
    new = [(-1, dice.line()) for _ in range(size)]
    kind = dice.roll(5)
    if kind == 0:
        return [*lines[:at], *new, *lines[at:]]
    if kind == 1:
        return [*lines[:at], *lines[at + size :]]
    if kind == 2:
        return [*lines[:at], *new, *lines[at + size :]]
    if kind == 3:  # the same change of indentation as a new block around them would make
        return [*lines[:at], *((-1, "    " + text) for _, text in lines[at : at + size]), *lines[at + size :]]
    block, rest = lines[at : at + size], [*lines[:at], *lines[at + size :]]
    to = dice.roll(len(rest) + 1)
    return [*rest[:to], *block, *rest[to:]]


def hunks_between(old: list[str], new: list[str]) -> list[Hunk]:
    found = []
    for tag, i, j, k, m in SequenceMatcher(None, old, new, autojunk=False).get_opcodes():
        if tag != "equal":
            gone = [Line("-", number + 1, None, old[number]) for number in range(i, j)]
            come = [Line("+", None, number + 1, new[number]) for number in range(k, m)]
            found.append(Hunk(i + 1 if gone else i, k + 1, "", (*gone, *come)))
    return found


def test_most_comments_are_found_again_and_hardly_one_in_a_wrong_place() -> None:
    right = wrong = 0
    for seed in range(500):
        dice = Dice(seed)
        before = [(number, dice.line()) for number in range(60)]
        first = 1 + dice.roll(58)
        last = first + dice.roll(2)
        after = before
        for _ in range(1 + dice.roll(4)):
            after = edited(dice, after)
        ids = [number for number, _ in after]
        wanted = list(range(first - 1, last))
        start = ids.index(first - 1) if first - 1 in ids else None
        there = start is not None and ids[start : start + len(wanted)] == wanted
        truth = (start + 1, start + len(wanted)) if there and start is not None else None
        old, new = [text for _, text in before], [text for _, text in after]
        hunks = hunks_between(old, new)
        got = moved(hunks, first, last) or found_again(quote(old, first, last), new, first, hunks)
        right += got == truth
        wrong += got is not None and got != truth
    assert right >= 475, f"{right} of 500"
    assert wrong <= 15, f"{wrong} of 500 in a wrong place"


def test_without_the_older_version_the_lines_themselves_decide() -> None:
    old = ["a = 1", "}", "b = value", "}", "c = 3", "}"]
    assert found_again(quote(old, 3, 3), ["new", *old], 3) == (4, 4)
    assert found_again(quote(old, 4, 4), ["new", *old], 4) == (5, 5)
    assert found_again(quote(old, 4, 4), ["}", "}", "other"], 4) is None
    assert found_again(quote(old, 3, 3), ["nothing of it"], 3) is None
    same = ["x", "}", "y"] * 3
    assert found_again(quote(same, 5, 5), same, 5) == (5, 5)


@given(st.integers(1, 999), st.integers(0, 300), st.sampled_from(["new", "old"]), st.text("ab/:-. ", min_size=1))
def test_a_place_is_read_as_it_is_written(first: int, more: int, side: str, path: str) -> None:
    place = Place(path, first, first + more, side)  # type: ignore[arg-type]
    assert parse_place(str(place)) == place


@pytest.mark.parametrize("text", ["a:0", "a:9-3", "a:1-500"])
def test_a_place_that_cannot_be_is_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_place(text)
