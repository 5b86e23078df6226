"""The views: pure, for any width, whatever a container has put into names and reasons."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.model.claims import Claim
from terok.model.facts import Clearance, Spent
from terok.model.state import Evidence, TaskState
from terok.model.task import FollowUp, Task
from terok.model.words import GLYPHS, GROUPS, WORDS
from terok.services.inbox import TaskDetail
from terok.tui.theme import THEMES, looks
from terok.tui.views.about import about
from terok.tui.views.header import header
from terok.tui.views.inbox import (
    Place,
    all_marked,
    folded,
    inbox,
    marked,
    moved,
    next_needing,
    place_from_json,
    place_to_json,
)
from terok.tui.views.log import log_line
from terok.tui.views.plain import item_lines, task_lines
from terok.tui.views.rows import next_edge, row
from terok.tui.views.text import STYLES, cropped, fit, plain, said, width, wrapped
from terok.tui.views.world import Begun, Changed, Heard, Loaded, Looked, Settled, World, after

NOW = 1_000_000.0
WIDTHS = st.integers(1, 200)
NASTY = st.text(
    st.one_of(
        st.characters(),
        st.sampled_from("[]/\\\x1b\x9b\u202e\u2066\u200b\u200d\ufe0f\u3042\uff21\U0001f469\u0301\n\t\x00"),
    ),
    max_size=80,
)


def task(word="working", number=0, **more):
    row = {"name": f"name-{number}", "agent": "claude", "mode": "headless", "created": NOW - 500, "since": NOW - 90}
    known = {"id": f"a{number:07d}", "project": "web", "word": word, "group": GROUPS[word], **row, **more}
    return Task(**known)


def world(*tasks):
    return after(Loaded(tasks, {one.id: one.id[:2] for one in tasks}), World())


def one_line(line, cells):
    text = plain(line)
    return width(line) <= cells and (text.isprintable() or not text) and all(span.style in STYLES for span in line)


@given(NASTY, NASTY, WIDTHS, st.sampled_from(WORDS), st.sampled_from(["up", "exited", "gone"]))
def test_a_row_fits_and_is_safe(name, reason, cells, word, process):
    nasty = task(word, name=name, project=name, reason=reason, process=process, also="clearance review")
    assert width(row(nasty, "a0", NOW, cells)) <= max(cells, 17)
    assert plain(row(nasty, "a0", NOW, cells)).isprintable()
    assert one_line(header(world(nasty), cells, title=name), cells)


@given(NASTY, st.integers(20, 200))
def test_everything_about_a_task_fits_and_is_safe(text, cells):
    nasty = task("question", name=text, reason=text, prompt=text, branch=text, agent=text, process="up")
    state = TaskState("needs", "question", "?", "up", NOW, (Evidence("question", NOW, text, text, claim=True),), None)
    claim = Claim(NOW, "question", "q", text, (text, text))
    detail = TaskDetail(
        nasty,
        state,
        (claim,),
        Clearance(NOW, "g", NOW, ("r",), (text,)),
        Spent(NOW, "v", text, 1.0, 2.0),
        (FollowUp(1, nasty.id, text, "queue", "written", NOW, NOW),),
        "/nowhere",
    )
    known = after(Looked(task=nasty.id, shield=text), after(Looked(detail), world(nasty)))
    for line in about(known, nasty, NOW, cells):
        assert one_line(line, cells)
    for line in (*task_lines(detail, "a0", NOW), *item_lines(inbox(known, Place(), NOW), {}, NOW)):
        assert line.isprintable()


@given(NASTY, NASTY, WIDTHS)
def test_text_fits_exactly_wraps_completely_and_stays_safe(text, wanted, cells):
    assert width((said(fit(text, cells)),)) == cells
    assert one_line(cropped((said(text), said(wanted)), cells), cells)
    for line in wrapped(text, cells):
        assert line.isprintable() and width((said(line),)) <= max(cells, 2)
    assert plain(log_line(text, wanted)).isprintable()


def test_what_is_searched_for_is_marked_everywhere():
    spans = log_line("abc ABC abc", "bc")
    assert [span.text for span in spans if span.style == "match"] == ["bc", "BC", "bc"]


def test_the_inbox_is_in_the_order_of_need_and_what_is_over_is_folded():
    view = inbox(world(*(task(word, number) for number, word in enumerate(WORDS))), Place(), NOW)
    assert [item.group for item in view.items if item.task is None] == [
        *("needs", "review", "working", "waiting", "doubt", "over")
    ]
    assert all(item.task is None for item in view.items if item.group == "over")
    assert len(view.items) == 6 + 10


def test_the_cursor_stops_at_tasks_and_folded_groups_and_stays_with_its_task():
    known = world(task("question", 0), task("working", 1), task("working", 2), task("done", 3))
    view, place = inbox(known, Place(), NOW), Place()
    seen = []
    for _ in range(5):
        place = moved(view, place, 1)
        view = inbox(known, place, NOW)
        seen.append(place.at)
    assert seen == ["a0000001", "a0000002", "over", "over", "over"]
    place = replace(place, at="a0000001")
    view = inbox(known, place, NOW)
    later = after(Changed((task("question", 1),)), known)
    assert inbox(later, place, NOW, before=view.items).chosen.key == "a0000001"
    only = Place(at="a0000001", filter="name:name-3")
    assert inbox(known, only, NOW, before=view.items).chosen.key == "a0000003"
    gone = after(Changed((), frozenset(("a0000001",))), known)
    assert inbox(gone, place, NOW, before=view.items).chosen.key == "a0000002"


def test_folding_and_marking():
    known = world(task("working", 1), task("working", 2), task("done", 3))
    place = folded(inbox(known, Place(at="a0000001"), NOW), Place(at="a0000001"))
    assert "working" in place.folded and place.at == "working"
    place = folded(inbox(known, place, NOW), place)
    assert "working" not in place.folded
    place = marked(inbox(known, Place(at="a0000001"), NOW), Place(at="a0000001"))
    assert place.marks == {"a0000001"} and place.at == "a0000002"
    place = all_marked(inbox(known, place, NOW), place)
    assert place.marks == {"a0000001", "a0000002"}
    assert all_marked(inbox(known, place, NOW), place).marks == frozenset()


def test_a_wrong_filter_is_said_and_hides_nothing():
    view = inbox(world(task(number=1)), Place(filter="s:nonsense"), NOW)
    assert "nonsense" in view.problem and len(view.items) == 2
    assert inbox(world(task(number=1)), Place(filter="p:other"), NOW).items == ()


def test_next_that_needs_a_person_goes_around():
    tasks = [task("question", 1), task("working", 2), task("review", 3)]
    assert next_needing(tasks, "", 1).id == "a0000001"
    assert next_needing(tasks, "a0000001", 1).id == "a0000003"
    assert next_needing(tasks, "a0000003", 1).id == "a0000001"
    assert next_needing(tasks, "a0000001", -1).id == "a0000003"
    assert next_needing([task("working", 2)], "", 1) is None


def test_what_is_asked_for_shows_at_once_and_is_taken_back():
    known = after(Begun(("a0000001",), "stopping"), world(task(number=1)))
    shown = plain(row(task(number=1), "a0", NOW, 80, pending=known.pending["a0000001"]))
    assert "stopping…" in shown
    assert after(Settled(("a0000001",)), known).pending == {}
    assert "not live: no controller" in plain(header(after(Heard("no controller"), known), 80))


@given(st.lists(st.floats(0, 2e6), max_size=9))
def test_ages_are_looked_at_on_whole_minutes_and_not_without_need(ages):
    edge = next_edge([NOW - one for one in ages], NOW)
    assert (edge is None) is (not ages)
    if edge is not None:
        assert edge > NOW and edge % 60 == 0


@given(st.one_of(st.none(), st.lists(st.integers()), st.dictionaries(st.text(), st.integers())))
def test_a_kept_place_that_cannot_be_read_is_a_first_start(kept):
    assert place_from_json(kept) == Place()
    place = Place("a0000001", "p:web", frozenset(("over",)), frozenset(), peek=False)
    assert place_from_json(place_to_json(place)) == place


def test_states_are_told_apart_without_color():
    shown = {word: plain(row(task(word, 1, process="up"), "a0", NOW, 80))[1:17] for word in WORDS}
    assert len(set(shown.values())) == len(WORDS) and len(set(GLYPHS.values())) == len(WORDS)


@pytest.mark.parametrize("theme", THEMES)
def test_a_theme_has_every_style(theme):
    assert set(looks(theme)) == set(STYLES)
