"""Links and browsers."""

from __future__ import annotations

from dataclasses import dataclass

from terok.tui.web.browsers import Browsers


@dataclass
class Shown:
    running: bool = True
    forgotten: bool = False


def let_in(browsers):
    assert browsers.right(browsers.link())
    return browsers.enter()


def test_a_link_works_once_and_only_the_last_one():
    browsers = Browsers(Shown)
    assert not browsers.right("")
    first, second = browsers.link(), browsers.link()
    assert (browsers.right(first), browsers.right(second), browsers.right(second + "x")) == (False, True, False)
    browsers.enter()
    assert not browsers.right(second)


def test_a_browser_needs_both_of_its_secrets():
    browsers = Browsers(Shown)
    one, other = let_in(browsers), let_in(browsers)
    assert browsers.known(one.cookie, one.key) is one
    assert browsers.known(one.cookie, other.key) is None
    assert browsers.known(one.cookie, "") is None
    assert browsers.known("", "") is None
    one.program.forgotten = True
    assert browsers.known(one.cookie, one.key) is None


def test_there_are_few_browsers_and_one_that_was_left_makes_room():
    browsers = Browsers(Shown, most=2)
    one, two = let_in(browsers), let_in(browsers)
    token = browsers.link()
    assert browsers.enter() is None and browsers.right(token)
    one.program.running = False
    three = browsers.enter()
    assert three is not None and browsers.programs == [two.program, three.program]
    assert browsers.known(one.cookie, one.key) is None
