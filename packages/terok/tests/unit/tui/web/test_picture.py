"""Lines of cells from what a terminal is written."""

from __future__ import annotations

import base64

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.cells import cell_len
from terok.tui.web.picture import Picture

HOSTILE = st.text(
    st.one_of(
        st.sampled_from("\x1b[]0;12;58mHJ\x07\n\r\x00\x9b中🙂e\u0301\u202e\u200d"),
        st.characters(codec="utf-8"),
    ),
    max_size=200,
)


def shown(picture):
    return {number: "".join(text for text, _, _ in runs).rstrip() for number, runs in picture.changes()}


@pytest.mark.parametrize(
    ("written", "runs"),
    [
        ("\x1b[1;1Hab", [("ab  ", 4, "")]),
        ("\x1b[1;1H\x1b[1;31mab\x1b[0mc", [("ab", 2, "b;1;"), ("c ", 2, "")]),
        ("\x1b[1;1H\x1b[38;2;1;2;255;48;5;9mx", [("x", 1, ";#0102ff;9"), ("   ", 3, "")]),
        ("\x1b[1;1H\x1b[38;5;16mx\x1b[38;5;255my", [("x", 1, ";#000000;"), ("y", 1, ";#eeeeee;"), ("  ", 2, "")]),
        ("\x1b[1;1H\x1b[7;94mx\x1b[27;39my", [("x", 1, "r;12;"), ("y  ", 3, "")]),
        ("\x1b[1;2H中", [(" ", 1, ""), ("中", 2, ""), (" ", 1, "")]),
        ("\x1b[1;1H中\x1b[1;2Hx", [(" x  ", 4, "")]),
        ("\x1b[1;1Ha\u0301b", [("a\u0301", 1, ""), ("b  ", 3, "")]),
        ("\x1b[1;4H中", []),
        ("\x1b[1;1Habcdef", [("abcd", 4, "")]),
        ("\x1b[?2026h\x1b[?25l\x1b[>1u\x1b7ab", [("ab  ", 4, "")]),
        ("─│é", [("─│", 2, ""), ("é", 1, ""), (" ", 1, "")]),
    ],
)
def test_a_line_is_what_a_terminal_would_show(written, runs):
    picture = Picture(4, 1)
    assert picture.changes() == [(0, [("    ", 4, "")])]
    picture.write(written)
    assert picture.changes() == ([(0, runs)] if runs else [])


def test_only_lines_that_look_otherwise_are_said_and_all_of_them_again():
    picture = Picture(3, 3)
    picture.changes()
    picture.write("\x1b[1;1Hone\x1b[3;1Hsix")
    assert shown(picture) == {0: "one", 2: "six"}
    picture.write("\x1b[1;1Hone\x1b[3;1Hten")
    assert shown(picture) == {2: "ten"}
    picture.again()
    assert shown(picture) == {0: "one", 1: "", 2: "ten"}
    picture.write("\x1b[2J")
    assert shown(picture) == {0: "", 2: ""}


def test_the_title_and_what_is_copied_are_said_by_themselves():
    picture = Picture(3, 1)
    picture.changes()
    secret = base64.b64encode("grüße".encode()).decode()
    picture.write(f"\x1b]2;terok (2)\x07\x1b]52;c;{secret}\x07\x1b]8;;http://example.org\x1b\\\x1b]52;c;!\x07")
    assert (picture.title, picture.copied, picture.changes()) == ("terok (2)", "grüße", [])


@given(HOSTILE, st.integers(1, 12), st.integers(1, 4))
def test_whatever_is_written_every_line_stays_as_wide_as_it_is(written, cells, lines):
    picture = Picture(cells, lines)
    picture.write(written)
    changes = picture.changes()
    assert [number for number, _ in changes] == list(range(lines))
    for _, runs in changes:
        assert sum(size for _, size, _ in runs) == cells
        for text, size, _ in runs:
            assert not any(character < " " or "\x7f" <= character <= "\x9f" for character in text)
            assert size == cell_len(text) or len(text) > 1
