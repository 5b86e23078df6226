"""A review on the screen: rows of a real diff, with what is said about them, and a person who comments and promotes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.model.anchors import Place, Quote
from terok.model.hunks import FileDiff, parse_diff
from terok.model.review import CheckRun, Comment
from terok.services import Reviews, Tasks
from terok.services.review_diffs import Changes
from terok.tui.views.review import Row, row_line, sheet
from terok.tui.views.text import STYLES, plain, width

from ..cli import populated
from .conftest import grid, until

NOW = 1_000_000.0
OLD, NEW, GONE = "1" * 40, "2" * 40, "3" * 40
DIFF = f""":100644 100644 {OLD} {NEW} M\tsrc/a.py
:100644 100755 {OLD} {GONE} R090\told.py\tnew.py

diff --git a/src/a.py b/src/a.py
index {OLD}..{NEW} 100644
--- a/src/a.py
+++ b/src/a.py
@@ -1,3 +1,4 @@ def one():
 same
-the old line of it
+the new line of it
+one more
 end
diff --git a/old.py b/new.py
old mode 100644
new mode 100755
similarity index 90%
rename from old.py
rename to new.py
index {OLD}..{GONE}
--- a/old.py
+++ b/new.py
@@ -1 +1 @@
-x
+y
""".encode()


def comment(number, place, text, **more):
    row = {"task": "a2345678", "branch": "b", "tip": "t", "base": "", "quote": Quote(), "author": "me", "written": NOW}
    known = {"thread": None, "follow_up": None, "resolved": None, "delivery": "written", **row, **more}
    return Comment(id=number, place=place, text=text, **known)


def look(files=None, comments=(), viewed=(), findings=(), checks=()):
    review = SimpleNamespace(commits=[SimpleNamespace(oid=NEW, subject="Say it", author="Agent", remarks=())])
    report = SimpleNamespace(refused=(), flagged=tuple(findings))
    return SimpleNamespace(
        work=SimpleNamespace(branch="terok/a2"),
        reviewed=SimpleNamespace(tip=NEW),
        seen=SimpleNamespace(review=review, report=report),
        changes=Changes(parse_diff(DIFF) if files is None else files),
        since=None,
        comments=tuple(comments),
        viewed=frozenset(viewed),
        checks=tuple(checks),
        moved=None,
    )


def shown(made, cells=80):
    return [plain(row_line(row, cells)).rstrip() for row in made.rows]


def test_every_line_has_the_place_that_a_comment_on_it_is_about():
    made = sheet(look(), NOW)
    places = {row.text: row.where for row in made.rows if row.kind == "line"}
    assert places["same"] == "src/a.py:1"
    assert places["the old line of it"] == "src/a.py:-2"
    assert places["the new line of it"] == "src/a.py:2" and places["one more"] == "src/a.py:3"
    assert [made.rows[number].where for number in made.files] == ["src/a.py", "new.py"]
    assert made.rows[0].where == "" and made.file_at(0) == ""
    lines = shown(made)
    assert "  src/a.py  +2 -1" in lines
    assert "  old.py => new.py  +1 -1  renamed, mode 100644 => 100755" in lines


def test_the_changed_words_of_a_line_stand_out():
    made = sheet(look(), NOW)
    (row,) = (row for row in made.rows if row.text == "the new line of it")
    assert [span.text for span in row_line(row, 80) if span.style == "added-word"] == ["new"]


def test_comments_and_findings_stand_below_their_lines_and_stale_ones_above_all():
    finding = SimpleNamespace(rule="workflow", path="src/a.py", detail="runs by itself", line=2)
    comments = [
        (comment(1, Place("src/a.py", 2, 2, "old"), "why?"), Place("src/a.py", 2, 2, "old")),
        (comment(2, Place("gone.py", 7, 7), "and this"), None),
        (comment(3, Place("src/a.py"), "done", resolved=NOW), Place("src/a.py")),
        (comment(4, Place(), "all of it"), Place()),
    ]
    check = CheckRun(1, "a2345678", "b", NEW, "make test", "passed", 0, "", 0, NOW, NOW)
    made = sheet(look(comments=comments, findings=[finding], checks=[check]), NOW)
    lines = shown(made)
    first = next(number for number, line in enumerate(lines) if line.startswith("  src/a.py"))
    place = next(number for number, line in enumerate(lines) if line.endswith("the old line of it"))
    assert lines[place + 1] == "  # 1 (written) me: why?"
    assert lines[place + 3] == "  ! workflow: runs by itself"
    above = "\n".join(lines[:first])
    assert "# 2 on gone.py:7, which has changed since [stale]" in above and "# 4 (written) me: all of it" in above
    assert "check passed  make test" in above and "done" not in "\n".join(lines)


def test_a_viewed_file_is_folded_until_it_changes():
    made = sheet(look(viewed=[("src/a.py", NEW)]), NOW)
    assert made.viewed == {"src/a.py"} and all("one more" not in line for line in shown(made))
    assert sheet(look(viewed=[("src/a.py", OLD)]), NOW).viewed == frozenset()


def test_files_are_gone_through_in_both_directions():
    made = sheet(look(), NOW)
    first, second = made.files
    assert made.next_file(0, 1) == first and made.next_file(first, 1) == second
    assert made.next_file(second, 1) == second
    assert made.next_file(second, -1) == first and made.next_file(0, -1) == first


@given(st.text(max_size=60), st.text(max_size=60), st.integers(1, 160), st.sampled_from("+- "))
def test_hostile_lines_fit_and_are_safe(text, other, cells, sign):
    line = row_line(Row("line", (), text, text, text, sign, 1, 2, other), cells)
    assert width(line) <= cells and plain(line).isprintable()
    assert all(span.style in STYLES for span in line)


def test_hostile_names_fit_and_are_safe():
    file = FileDiff("M", "\x1b[31m\u202e[b]", "\x1b[31m\u202e[b]", "100644", "100644", OLD, NEW, None, b"")
    for line in shown(sheet(look(files=(file,)), NOW), 40):
        assert line.isprintable() and len(line) <= 40


@pytest.fixture
def work(root: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give a task of which a branch waits in a real mirror."""
    monkeypatch.setattr("terok.wire.client.start_controller", lambda: None)
    populated.populate(root)
    return populated.SECOND


async def test_a_person_looks_comments_marks_and_sees_it(tui, work):
    app = tui()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.world.loaded)
        app.screen.go_to(app.world.tasks[work])
        await pilot.press("v")
        await until(pilot, lambda: "hello again" in grid(app))
        assert "Say it again" in grid(app) and "review terok/b2345678 at " in grid(app)
        await pilot.press("right_curly_bracket", "j", "j", "j", "c")
        await until(pilot, lambda: "comment on README.md:1" in grid(app))
        await pilot.press(*"why[?", "enter")
        await until(pilot, lambda: "why[?" in grid(app) and "# 1" in grid(app))
        await pilot.press("V")
        await until(pilot, lambda: "viewed" in grid(app) and "hello again" not in grid(app))
        await pilot.press("i")
        await until(pilot, lambda: "has not changed since" in grid(app))


def test_a_look_on_the_screen_counts_as_one(root, work):
    from terok.tui.background.reviewing import read_sheet

    read_sheet(work, since=False, ignore_space=False)
    with Tasks() as service:
        reviews = Reviews(service)
        found = reviews.find(work)
        reviews.open(found.scope).check_reviewed(found.branch, accept_flags=True)
