"""What pages say, as Textual knows it."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.tui.web.page_events import MOST, MOST_PASTED, Seen, said_by
from textual import events
from textual.geometry import Size


@pytest.mark.parametrize(
    ("key", "held", "name", "character"),
    [
        ("j", "", "j", "j"),
        ("G", "s", "G", "G"),
        ("/", "", "slash", "/"),
        ("]", "", "right_square_bracket", "]"),
        (" ", "", "space", " "),
        ("é", "", "é", "é"),
        ("p", "c", "ctrl+p", None),
        ("P", "cs", "ctrl+p", None),
        ("Enter", "", "enter", "\r"),
        ("Tab", "s", "shift+tab", None),
        ("ArrowUp", "", "up", None),
        ("Escape", "", "escape", None),
    ],
)
def test_a_key_has_the_name_that_a_terminal_gives_it(key, held, name, character):
    (event,) = said_by(json.dumps(["key", key, held]))
    assert isinstance(event, events.Key)
    assert (event.key, event.character) == (name, character)


def test_sizes_are_kept_within_what_can_be_drawn():
    assert said_by('["hello",100,30]') == [Seen(Size(100, 30), new=True)]
    assert said_by('["size",1,999999999999]') == [Seen(Size(20, MOST[1]), new=False)]


def test_the_mouse_is_where_it_is():
    (event,) = said_by('["mouse","down",3,4,1,"s"]')
    assert isinstance(event, events.MouseDown)
    assert (event.screen_x, event.screen_y, event.button, event.shift, event.ctrl) == (3, 4, 1, True, False)


def test_what_is_pasted_is_bounded():
    (event,) = said_by(json.dumps(["paste", "x" * 100_000]))
    assert isinstance(event, events.Paste)
    assert event.text == "x" * MOST_PASTED


@pytest.mark.parametrize(
    "line",
    [
        "",
        "{",
        "[]",
        '["key"]',
        '["key","ab",""]',
        '["key","\\u001b",""]',
        '["key","\\ud800",""]',
        '["mouse","x",0,0,0,""]',
        '["size",1.5,2]',
        '["eval","1"]',
        "[" * 100_000,
    ],
)
def test_anything_else_stands_for_nothing(line):
    assert said_by(line) == []


_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=12,
)
_first = st.sampled_from(["hello", "size", "key", "mouse", "paste", "focus"])


@given(st.one_of(_values, st.builds(lambda kind, rest: [kind, *rest], _first, st.lists(_values, max_size=6))))
def test_no_value_raises(value):
    for one in said_by(json.dumps(value)):
        if isinstance(one, events.Key):
            assert one.character is None or one.character.isprintable() or one.character in "\r\t"
