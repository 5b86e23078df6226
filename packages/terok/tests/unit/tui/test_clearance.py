"""Clearance on the screen, at a real gateway: deny comes first, no single key decides, and what is held goes on."""

from __future__ import annotations

import pytest

from .conftest import WANTS, grid, populate, until
from .gateways import serving

NAME = f"terok-api-{WANTS}"


@pytest.fixture
def gateway(root):
    populate()
    with serving(NAME) as gateway:
        yield gateway


async def opened(pilot, text):
    await until(pilot, lambda: pilot.app.world.loaded)
    await pilot.press("C")
    await until(pilot, lambda: pilot.app.screen.NAME == "clearance" and text in grid(pilot.app))


async def test_deny_comes_first_and_the_agent_reads_why(tui, gateway):
    gateway.refuse("files.example.org")
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "files.example.org:443/tcp")
        shown = grid(app)
        assert "api/bump-deps" in shown and "first request for example.org" in shown and "no rule allows it" in shown
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.NAME == "choice" and "allow for this project" in grid(app))
        assert gateway.verdicts == []
        await pilot.press("enter", *"ask [me", "enter")
        await until(pilot, lambda: "nothing waits for you" in grid(app))
        assert gateway.verdicts == [("deny", "files.example.org:443/tcp", "once", "ask [me")]


async def test_it_is_allowed_for_some_minutes(tui, gateway):
    gateway.refuse("files.example.org")
    app = tui()
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, "files.example.org:443/tcp")
        await pilot.press("a")
        await until(pilot, lambda: app.screen.NAME == "choice")
        assert "deny" not in grid(app)
        await pilot.press("j", "enter")
        await until(pilot, lambda: "for minutes: 10" in grid(app))
        await pilot.press("home", *"no ", "enter")
        await until(pilot, lambda: "nothing was decided" in grid(app))
        assert gateway.verdicts == []
        await pilot.press("a")
        await until(pilot, lambda: app.screen.NAME == "choice")
        await pilot.press("j", "enter", *"for it", "enter")
        await until(pilot, lambda: gateway.verdicts != [])
        assert gateway.verdicts == [("allow", "files.example.org:443/tcp", "minutes", "for it")]


async def test_what_is_asked_comes_at_once_and_is_held_until_it_is_answered(tui, gateway):
    gateway.refuse("one.example.org")
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "one.example.org")
        await until(pilot, lambda: any(gateway.hub._subscribers.values()))
        held = gateway.hold("two.example.org")
        await until(pilot, lambda: "two.example.org" in grid(app))
        assert not held.done() and app.screen.at == 0, "the cursor stays with its question"
        await pilot.press("G", "a")
        await until(pilot, lambda: app.screen.NAME == "choice" and "two.example.org" in grid(app))
        await pilot.press("enter", "enter")
        await until(pilot, held.done)
        assert held.result().verdict == "allow"
        await until(pilot, lambda: "allowed once: two.example.org" in grid(app) and app.screen.count == 1)
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.NAME == "inbox")


async def test_without_questions_nothing_can_be_decided(tui, root):
    populate()
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "nothing waits for you")
        await pilot.press("a")
        await pilot.pause()
        assert app.screen.NAME == "clearance"
