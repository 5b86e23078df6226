"""The wall on the screen, at a real gateway: how it stands, what it decides, why, and what a person changes."""

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
    app = pilot.app
    await until(pilot, lambda: app.world.loaded)
    app.screen.go_to(app.world.tasks[WANTS])
    await pilot.press("s")
    await until(pilot, lambda: app.screen.NAME == "shield" and text in grid(app))


async def test_it_is_raised_lowered_and_cut_off_with_two_gestures(tui, gateway):
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "shield up  filter  2 rules")
        assert "+ docs.example.org" in grid(app) and "- bad.example.org" in grid(app)
        await pilot.press("d")
        await until(pilot, lambda: app.screen.NAME == "choice")
        await pilot.press("enter")
        await until(pilot, lambda: "let out what the rules do not: down?" in grid(app))
        assert gateway.live.posture == "up"
        await pilot.press("enter")
        await until(pilot, lambda: "shield down" in grid(app))
        await pilot.press("Q", "enter")
        await until(pilot, lambda: "shield quarantine" in grid(app))
        await pilot.press("s")
        await until(pilot, lambda: "shield up" in grid(app))
        assert gateway.live.posture == "up"


async def test_a_destination_is_explained_opened_and_taken_back(tui, gateway):
    gateway.refuse("files.example.org")
    app = tui()
    async with app.run_test(size=(100, 40)) as pilot:
        await opened(pilot, "refused")
        await pilot.press("g", "right_curly_bracket", "j", "w")
        await until(pilot, lambda: "why: files.example.org:443/tcp" in grid(app))
        await pilot.press("enter")
        await until(pilot, lambda: "files.example.org:443  deny:" in grid(app))
        await pilot.press("a", *" 10m for [it", "enter")
        await until(pilot, lambda: "+ files.example.org:443/tcp  for " in grid(app))
        assert gateway.verdicts == [("allow", "files.example.org:443/tcp", "minutes", "for [it")]
        await pilot.press("g", "j", "X", "enter")
        await until(pilot, lambda: gateway.verdicts == [] and "none given while it runs" in grid(app))
        await pilot.press("X")
        await until(pilot, lambda: "go to a verdict first" in grid(app))


async def test_what_it_decides_is_shown_as_it_comes(tui, gateway):
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "nothing was decided yet")
        await until(pilot, lambda: app.screen._watched is not None and app.screen._watched._child is not None)
        for number in range(200):  # the program that follows the log takes a while to start
            gateway.refuse(f"n{number}.example.org")
            await pilot.pause(0.1)
            if ".example.org:443/tcp" in grid(app):
                break
        assert "refused" in grid(app)


async def test_a_task_without_a_wall_says_so(tui, root):
    populate()
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "there is no sandboxed container")
        await pilot.press("Q")
        await until(pilot, lambda: app.screen.query_one("Ask").asking is False)
