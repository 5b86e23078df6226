"""Views of walls, vault, keys, sign-ins and timelines: pure, for any width, whatever a container has chosen."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.tui.views import clearance, shield, signing_in, ssh_keys, timeline, vault
from terok.tui.views.choice import Option, option_line
from terok.tui.views.sections import Row, Section, item_line, laid, next_section, place_of
from terok.tui.views.text import Span, plain
from terok_executor import AuthEvent

from . import samples
from .samples import NOW
from .test_views import NASTY, one_line

WIDTHS = st.integers(1, 200)


def section_lines(sections, cells):
    return [item_line(item, cells) for item in laid(sections, ())]


@given(NASTY, WIDTHS)
def test_hostile_text_fits_and_is_safe_in_every_list(text, cells):
    wish, wall = samples.wish(text, program=text, odd=text, context=((text, text),)), samples.wall(text)
    safe = samples.safe(text, problem=text, hint=text, silent=(text,))
    lines = [clearance.wish_line(wish, {}, NOW, cells), *clearance.wish_lines(wish, cells)]
    lines += shield.wall_lines(wall._replace(broken=text, posture=text), cells)
    lines += section_lines(shield.wall_sections(wall, NOW), cells)
    lines += shield.why_lines(samples.why(text), cells)
    lines += vault.safe_lines(safe, cells) + section_lines(vault.safe_sections(safe, {}, NOW), cells)
    lines += section_lines(ssh_keys.key_sections(samples.keys(text), NOW), cells)
    lines += section_lines(signing_in.way_sections(samples.ways(text), NOW), cells)
    lines.append(option_line(Option("x", text, text), cells))
    for line in lines:
        assert one_line(line, cells), line


@given(NASTY, st.integers(8, 200))
def test_hostile_text_fits_and_is_safe_in_a_timeline_and_a_sign_in(text, cells):
    line, wanted = samples.timeline(text), timeline.shown_by(text)
    spans = timeline.kind_spans(line.entries, wanted)
    lines = timeline.head_lines(spans, [line.chains[1]._replace(problems=(text,))], cells, left_out=True)
    lines += [timeline.entry_line(entry, cells) for entry in line.entries]
    lines += [one for entry in line.entries for one in timeline.entry_lines(entry, cells, 5)]
    stage = signing_in.SignIn(text, text, text, text, text, text, text, text)
    for one in (*lines, *signing_in.sign_in_lines(stage, cells)):
        assert one_line(one, cells), one


@pytest.mark.parametrize(
    ("text", "terms"),
    [
        ("", None),
        ("docs.example.org", ("docs.example.org", None, "")),
        ("docs.example.org:8443 10m for the docs", ("docs.example.org:8443", 10, "for the docs")),
        ("docs.example.org 30", ("docs.example.org", 30, "")),
        ("docs.example.org because 3 of 4", ("docs.example.org", None, "because 3 of 4")),
    ],
)
def test_what_is_to_be_opened_for_how_long_and_why(text, terms):
    assert shield.terms_of(text) == terms


def test_denials_come_first_and_the_first_of_them_is_the_weakest():
    keys = [one.key for one in clearance.verdicts()]
    assert keys[0] == "deny once" and keys[4:] == ["allow once", "allow minutes", "allow task", "allow project"]
    assert [one.key.split()[0] for one in clearance.verdicts(allow=False)] == ["deny"] * 4


def test_a_list_in_sections_is_folded_and_gone_through_by_headings():
    rows = tuple(Row(str(number), lambda cells, number=number: (Span(str(number)),)) for number in range(3))
    sections = (Section("one", rows), Section("two", (), "empty"), Section("three", rows[:1]))
    items = laid(sections, ())
    assert [plain(item_line(item, 9)).strip() for item in items] == [
        *("ONE  3", "0", "1", "2"),
        *("TWO", "empty"),
        *("THREE  1", "0"),
    ]
    assert place_of(items, "", 0) == 1, "it begins on a row"
    assert [next_section(items, 1, 1), next_section(items, 4, 1), next_section(items, 6, 1)] == [4, 6, 6]
    assert [next_section(items, 6, -1), next_section(items, 1, -1)] == [4, 0]
    folded = laid(sections, {"one"})
    assert [item.section for item in folded] == ["one", "two", "two", "three", "three"]
    assert place_of(folded, "three 0", 7) == 4 and place_of(folded, "one 2", 9) == 4


def test_a_timeline_is_filtered_by_kinds_and_words():
    entries = samples.timeline().entries
    cases = {
        "": 7,
        "push": 1,
        "push model": 2,
        "!record !name": 5,
        "docs.example.org": 1,
        "gate push": 1,
        "name nothing-like-it": 0,
        "!nonsense": 0,
    }
    found = {text: len(timeline.chosen(entries, timeline.shown_by(text))) for text in cases}
    assert found == cases
    assert timeline.toggled("push x", "push") == "x" and timeline.toggled("x", "push") == "x push"


def test_a_kind_is_where_it_is_seen():
    spans = timeline.kind_spans(samples.timeline().entries, timeline.shown_by("push"))
    line = plain(span for _, span in spans)
    assert "+push 1" in line
    assert timeline.kind_at(spans, line.index("push")) == "push" and timeline.kind_at(spans, len(line) + 1) == ""


def test_a_sign_in_goes_from_its_link_to_its_end():
    stage = signing_in.SignIn("Provider")
    for kind, text in (("url", "https://x.example/a"), ("code", "AB-12"), ("input", "the code"), ("waiting", "")):
        stage = signing_in.after_event(stage, AuthEvent(kind, text))
    assert (stage.link, stage.code, stage.asks, stage.ended) == ("https://x.example/a", "AB-12", "the code", False)
    done = signing_in.after_event(stage, AuthEvent("done", "stored"))
    assert done.ended and not done.asks and done.done == "stored"
    failed = signing_in.after_event(stage, AuthEvent("failed", "no", "again"))
    assert failed.ended and (failed.failed, failed.hint) == ("no", "again")
