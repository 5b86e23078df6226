"""What is told apart by color is told apart by people who see few of them."""

from __future__ import annotations

from itertools import combinations

import pytest
from terok.tui.theme import DEFAULT, THEMES, looks

from .color_vision import VISIONS, apart, contrast

AT_A_GLANCE = 12.0
READABLE = 4.5
BESIDE = {
    "states": ("error", "needs", "review", "working", "doubt", "waiting", "over"),
    "changes": ("added", "removed", "meta", "plain"),
}
"""Styles that are seen beside each other."""
TERMINALS = {
    "blue-orange": ((0xD6, 0xD6, 0xD6), (0x90, 0x90, 0x90), (0x11, 0x14, 0x16)),
    "blue-orange-light": ((0x1F, 0x23, 0x26), (0x70, 0x70, 0x70), (0xFC, 0xFC, 0xFA)),
}
"""What the terminals that a theme is for have for plain and dim text, and behind it."""


def colors(theme):
    plain, dim, _ = TERMINALS[theme]
    return {
        name: tuple(look.color.triplet) if look.color is not None else dim if look.dim else plain
        for name, look in looks(theme).items()
    }


def test_there_is_a_theme_for_dark_and_one_for_light_terminals():
    assert set(THEMES) == {DEFAULT, *TERMINALS}


@pytest.mark.parametrize("vision", VISIONS)
@pytest.mark.parametrize("theme", TERMINALS)
def test_what_stands_side_by_side_is_told_apart_at_a_glance(theme, vision):
    found = colors(theme)
    near = {
        (one, other): round(apart(found[one], found[other], vision), 1)
        for names in BESIDE.values()
        for one, other in combinations(names, 2)
    }
    assert {pair: far for pair, far in near.items() if far < AT_A_GLANCE} == {}


@pytest.mark.parametrize("theme", TERMINALS)
def test_every_color_is_readable(theme):
    behind = TERMINALS[theme][2]
    assert {name: color for name, color in colors(theme).items() if contrast(color, behind) < READABLE} == {}


def test_distances_are_those_of_the_textbook():
    red, green, white, black = (205, 0, 0), (0, 140, 0), (255, 255, 255), (0, 0, 0)
    assert round(apart(white, black, "usual")) == 100 and round(contrast(white, black)) == 21
    assert apart(red, green, "usual") > 100 and apart(red, green, "protan") < 40
    assert all(apart(white, black, vision) > 99 for vision in VISIONS)
