"""The state of a comment, the letter to an agent, what is kept of an output, and lines beside each other."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.model.anchors import Place, Quote
from terok.model.diff_rows import changed_words, side_by_side
from terok.model.hunks import Hunk, Line
from terok.model.kept_output import HEAD, TAIL, KeptOutput
from terok.model.review import Comment, delivery, letter


@pytest.mark.parametrize(
    ("state", "changed", "started", "ended", "wanted"),
    [
        (None, None, 1.0, 2.0, "written"),
        ("written", 3.0, 1.0, 2.0, "written"),
        ("taken_back", 3.0, 1.0, 2.0, "written"),
        ("sent", 3.0, 1.0, 2.0, "sent"),
        ("seen", 3.0, 2.9, None, "seen"),
        ("seen", 3.0, 2.9, 5.0, "answered"),
        ("seen", 3.0, 4.0, None, "answered"),
    ],
)
def test_how_far_a_comment_has_come(
    state: object, changed: float | None, started: float, ended: float | None, wanted: str
) -> None:
    assert delivery(state, changed, started, ended) == wanted  # type: ignore[arg-type]


def test_a_letter_quotes_what_it_is_about() -> None:
    comment = Comment(
        *(7, "k7", "terok/k7", "c" * 40, "", Place("a.py", 3, 3, "old"), Quote(("x = 1",)), "Why?\nReally", "me", 0.0),
        *(None, None, None, "written"),
    )
    assert letter("Go on", []) == "Go on"
    assert letter("Go on", [comment]).split("\n") == [
        *("Go on", "", "The reviewer's comments on what you have pushed:", ""),
        *("1. a.py:-3 (terok/k7 at cccccccccccc)", "   > x = 1", "   (lines that you have deleted or changed)"),
        *("   Why?", "   Really"),
    ]


@given(st.lists(st.text("ab", max_size=3) | st.integers(0, 2 * TAIL).map(lambda size: "x" * size), max_size=40))
def test_of_an_output_the_beginning_and_the_end_are_kept(lines: list[str]) -> None:
    kept = KeptOutput()
    for line in lines:
        kept.add(line)
    text, left_out = kept.text()
    whole = "".join(f"{line}\n" for line in lines)
    assert kept.total == len(whole)
    if left_out == 0:
        assert text == whole
    else:
        note = f"… {left_out} characters are left out …\n"
        head, found, tail = text.partition(note)
        assert found
        assert whole.startswith(head)
        assert whole.endswith(tail)
        assert len(head) + left_out + len(tail) == len(whole)
        assert len(head) <= HEAD
        assert len(tail) <= TAIL


def test_lines_stand_beside_those_in_whose_place_they_are() -> None:
    lines = [Line(" ", 1, 1, "a"), Line("-", 2, None, "b"), Line("-", 3, None, "c"), Line("+", None, 2, "B")]
    lines += [Line(" ", 4, 3, "d"), Line("+", None, 4, "e")]
    shown = [(old and old.text, new and new.text) for old, new in side_by_side(Hunk(1, 1, "", tuple(lines)))]
    assert shown == [("a", "a"), ("b", "B"), ("c", None), ("d", "d"), (None, "e")]


@given(st.text("ab _(", max_size=20), st.text("ab _(", max_size=20))
def test_what_is_left_of_two_lines_without_their_changed_words_is_the_same(old: str, new: str) -> None:
    changed = changed_words(old, new)
    if changed is None:
        return

    def rest(text: str, spans: tuple[tuple[int, int], ...]) -> str:
        for start, end in reversed(spans):
            text = text[:start] + text[end:]
        return text

    assert rest(old, changed.old) == rest(new, changed.new)
    assert (old == new) is (changed == ((), ()))
