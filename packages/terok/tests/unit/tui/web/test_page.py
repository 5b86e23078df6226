"""What waits for a page, and where the server may listen."""

from __future__ import annotations

import pytest
from terok.cli.tui import tui
from terok.tui.web.page import MOST_WAITING, Page
from terok.tui.web.serve import serve
from terok_util import UsageError
from textual.drivers.headless_driver import HeadlessDriver

from ..conftest import WORKS, grid, populate, until


async def test_a_slow_page_holds_nothing_up_and_sees_everything_anew():
    page = Page()
    line = "x" * (MOST_WAITING // 4)
    for _ in range(6):
        page.say(line)
    assert page.stale
    page.end("It is over.")
    taken = [said async for said in page.lines()]
    assert taken == [line, line, '["end", "It is over."]']


@pytest.mark.parametrize(
    ("address", "port", "wrong"),
    [
        ("0.0.0.0", None, "every address of this machine"),
        ("::", None, "every address of this machine"),
        ("example.org", None, "invalid address"),
        ("192.0.2.1", None, "cannot be used"),
        ("127.0.0.1", 70_000, "invalid port"),
    ],
)
def test_an_address_is_one_of_this_machine_and_named(address, port, wrong):
    with pytest.raises(UsageError) as caught:
        serve(print, address, port)
    assert wrong in str(caught.value) and caught.value.hint


async def test_a_browser_has_no_terminal_and_says_what_to_type(tui, monkeypatch):
    populate()
    monkeypatch.setattr(HeadlessDriver, "is_web", property(lambda _: True))
    monkeypatch.setenv("TMUX", "here,1,0")
    app = tui()
    async with app.run_test(size=(100, 24)) as pilot:
        await until(pilot, lambda: app.world.loaded)
        app.screen.go_to(app.world.tasks[WORKS])
        await pilot.press("t")
        await until(pilot, lambda: f"type in a terminal: terok login {WORKS}" in grid(app))


def test_options_of_the_server_need_it():
    with pytest.raises(UsageError, match="for --web"):
        tui(port=8023)
