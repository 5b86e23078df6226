"""The views of reviews and races: pure, for any width, whatever an agent has put into names, lines and comments."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.model.anchors import Place, Quote
from terok.model.race import Check, Race, Standing
from terok.model.review import Comment
from terok.services.race_board import Board
from terok.services.review_comments import Placed
from terok.tui.background.review_colors import answer, colors_of, decoded
from terok.tui.views import review_remarks
from terok.tui.views.plain_review import attempt_lines
from terok.tui.views.race import about, attempt_line, head
from terok.tui.views.review import entries, entry_line, entry_of, moved, next_said
from terok.tui.views.review_lines import row_line
from terok.tui.views.review_remarks import Remark
from terok.tui.views.review_sheet import next_row, pieces, place_of, room_of, same_row, sheet
from terok.tui.views.text import plain, width

from .reviewed import diff
from .test_views import NASTY, one_line

ROWS = st.lists(st.tuples(st.sampled_from(" +-"), NASTY.map(lambda text: text.replace("\n", ""))), max_size=12)
CELLS = st.integers(24, 200)
CHANGE = [(" ", "a"), ("-", "old name"), ("-", "gone"), ("+", "new name"), (" ", "b"), ("+", "more")]


def remark(line=0, side="new", path="src/a.py", **more):
    row = {"place": f"{path}:{line}", "head": "rule (to look at)", "text": "text", **more}
    return Remark(path, side, line, **row)


@given(ROWS, NASTY, NASTY, CELLS, st.booleans(), st.integers(9, 22))
def test_rows_fit_and_are_safe_and_no_character_of_a_line_is_lost(rows, path, text, cells, split, line):
    file = diff(rows, path or "x")
    said = [remark(line, head="h", text="t"), *hostile(text, line)]
    made = sheet(file, said, cells, split=split)
    for number, row in enumerate(made.rows):
        shown = row_line(row, made, {}, chosen=number % 2 == 0)
        assert one_line(shown, cells), row
    for text in made.texts.values():
        cuts = pieces(text, room_of(cells, split=split))
        assert "".join(text[start:end] for start, end in cuts) == text
    for entry in entries([file], whole="the whole"):
        assert one_line(entry_line(entry, cells, counts={file.path: (1, 2)}, viewed=True, said={}), cells)


def hostile(text, line):
    comment = Comment(
        3, "t", "b", "1" * 40, "", Place(text, line, line), Quote(), text or "x", text, 0.0, None, None, None, "sent"
    )
    for one in review_remarks._comments([Placed(comment, None), Placed(comment, comment.place)], since=False):
        yield one._replace(side="new", line=line)


@given(NASTY, st.integers(1, 200))
def test_a_race_fits_and_is_safe(text, cells):
    one = Standing(
        1,
        text,
        text,
        text,
        text,
        word="failed",
        reason=text,
        branch=text,
        tip="",
        problem=text,
        check=Check("failed", 1, 2.0, text),
    )
    board = Board(Race("d", text, text, 1.0, text, "web", "1" * 40, text), (one,), {"cost": (1,)}, {text: (1, 2)})
    for line in (*head(board, cells), attempt_line(one, board, {}, cells), *about(board, one, cells)):
        assert one_line(line, max(cells, 8))
    assert all(line.isprintable() for line in attempt_lines(board))


def test_remarks_stand_below_their_lines_and_others_on_top_with_their_place():
    said = [
        remark(11),
        remark(11, side="old", head="old"),
        remark(99, head="elsewhere"),
        remark(side="file", head="file", place="src/a.py"),
    ]
    for split in (False, True):
        made = sheet(diff(CHANGE), said, 120, split=split)
        shown = [plain(row_line(row, made, {})).strip() for row in made.rows]
        assert shown[1:5] == ["| src/a.py:99: ! elsewhere", "| text", "| ! file", "| text"]
        heads = [number for number, row in enumerate(made.rows) if row.remark and row.part == 0]
        below = {made.rows[number].text: above(made.rows, number) for number in heads[2:]}
        assert below["! rule (to look at)"].new.new == 11
        assert below["! old"].old.old == 11


def above(rows, number):
    return next(row for row in reversed(rows[:number]) if row.kind == "code")


@pytest.mark.parametrize(
    ("first", "last", "since", "place"),
    [
        (0, 0, False, "src/a.py"),
        (2, 2, False, "src/a.py:10"),
        (3, 3, False, "src/a.py:-11"),
        (3, 3, True, None),
        (4, 3, False, "src/a.py:-11-12"),
        (2, 5, False, "src/a.py:10-11"),
        (5, 7, True, "src/a.py:11-13"),
        (8, 8, False, "#7"),
        (10, 10, False, "src/a.py:13"),
    ],
)
def test_a_comment_is_about_the_rows_that_are_chosen(first, last, since, place):
    said = [remark(13, comment=7, head="#7"), remark(13)]
    made = sheet(diff(CHANGE), said, 80)
    assert place_of(made.rows, first, last, "src/a.py", since=since) == place


def test_the_cursor_stays_with_its_line_when_rows_come_and_go():
    file = diff(CHANGE)
    before, after = sheet(file, [], 80), sheet(file, [remark(11)], 30, split=True)
    for number, row in enumerate(before.rows):
        found = after.rows[same_row(after.rows, before.rows, number)]
        if row.new is not None:
            assert found.new == row.new
    commented = sheet(file, [remark(11, comment=7)], 80)
    at = next_row(commented.rows, 0, 1, "remark")
    assert before.rows[same_row(before.rows, commented.rows, at)].new.new == 11
    assert same_row((), before.rows, 3) == 0


def test_the_tree_is_walked_file_by_file():
    tree = entries([diff([], path) for path in ("a", "src/b", "src/c", "z")], whole="the whole")
    assert [one.name for one in tree] == ["the whole", "a", "src/", "b", "c", "./", "z"]
    assert [moved(tree, 1, step) for step in (1, -1, 2, 9, -9)] == [3, 0, 4, 6, 0]
    assert (entry_of(tree, "src/c"), entry_of(tree, ""), entry_of(tree, "gone", at=2)) == (4, 0, 3)
    said = {"src/c": (remark(),), "": (remark(),)}
    assert [next_said(tree, *place, said) for place in ((0, 1), (4, 1), (4, -1))] == [4, None, 0]


def comment(number, now, *, thread=None, resolved=None, place=None):
    at = place or Place("a", 3, 3)
    made = Comment(
        number, "t", "b", "1" * 40, "", at, Quote(), f"text {number}", "dev", 0.0, thread, None, resolved, "sent"
    )
    return Placed(made, now)


def test_answers_stand_with_their_comment_and_what_is_stale_says_so():
    here, other = Place("a", 5, 6), Place("b", 2, 2, "old")
    placed = [
        comment(1, here),
        comment(2, other),
        comment(3, None, thread=1),
        comment(4, None),
        comment(5, here, resolved=1.0),
    ]
    found = list(review_remarks._comments(placed, since=False))
    assert [(one.comment, one.path, one.side, one.line, one.answer) for one in found] == [
        (1, "a", "new", 6, False),
        (3, "a", "new", 6, True),
        (2, "b", "old", 2, False),
        (4, "a", "file", 0, False),
    ]
    assert "stale" in found[3].head and found[3].elsewhere and "stale" not in found[1].head
    assert [one.side for one in review_remarks._comments(placed, since=True)] == ["new", "new", "file", "file"]


def test_words_that_have_changed_and_the_language_have_colors():
    file = diff([("-", 'def name(): return "x"  # why'), ("+", 'def other(): return "x"  # why')])
    hunks = file.hunks()
    made = sheet(file, [], 100)
    colors = colors_of(file, hunks, made.texts, patience=60)
    gone, come = (colors[line] for line in hunks[0].lines)
    assert plain(gone) == 'def name(): return "x"  # why'
    assert [span.text for span in come if span.style == "added-word"] == ["other"]
    styles = {span.text: span.style for span in gone}
    assert (styles["name"], styles["return"], styles["# why"]) == ("removed-word", "keyword", "dim")
    assert colors_of(file, hunks, made.texts, patience=0.001) == {}


@given(ROWS, st.sampled_from(["a.py", "a.md", "a.unknown", "a.html", "Makefile"]))
def test_colors_change_no_character(rows, path):
    file = diff(rows, path)
    made = sheet(file, [], 80)
    for line, spans in decoded(answer(path, file.patch), made.hunks, made.texts).items():
        assert plain(spans) == made.texts[line]


@pytest.mark.parametrize(
    "told", [None, [], [[[1, "plain"]]] * 6, [[[3, "bold red"]]] + [None] * 5, [[[-1, "dim"]]] + [None] * 5]
)
def test_colors_that_do_not_fit_are_refused(told):
    made = sheet(diff(CHANGE), [], 80)
    with pytest.raises(ValueError, match=r"color|length"):
        decoded(told, made.hunks, made.texts)


def test_two_versions_stand_side_by_side():
    made = sheet(diff(CHANGE), [], 60, split=True)
    shown = [plain(row_line(row, made, {})) for row in made.rows]
    assert all(width(row_line(row, made, {})) <= 60 for row in made.rows)
    assert any("old name" in line and "new name" in line for line in shown)
    assert any("gone" in line and line.rstrip().endswith("|") for line in shown)
