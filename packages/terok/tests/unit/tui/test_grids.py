"""Screens as they are at three sizes: their text, and the looks of every cell.

    NEW_GRIDS=1 pytest packages/terok/tests/unit/tui/test_grids.py

writes them anew; look at the difference.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from terok.services import Tasks

from .conftest import ASKS, REVIEW, painted, populate, until
from .reviewed import FIRST, agent_of, raced, work

GRIDS = Path(__file__).parent / "grids"
SIZES = [(80, 24), (100, 30), (160, 48)]


def compare(shown, name):
    file = GRIDS / f"{name}.txt"
    if os.environ.get("NEW_GRIDS"):
        file.write_text(shown)
    assert shown == file.read_text(), f"{file.name} is not as it was"


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_inbox(tui, size):
    populate()
    app = tui()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.world.loaded and ASKS in app.world.details and app.world.shields)
        await pilot.pause(0.1)
        shown = painted(app)
    compare(shown, f"inbox-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_help(tui, size):
    populate()
    app = tui()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.world.loaded)
        await pilot.press("question_mark")
        await until(pilot, lambda: app.screen.NAME == "help")
        await pilot.pause(0.1)
        shown = painted(app)
    compare(shown, f"help-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_task(tui, size):
    populate()
    app = tui()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.world.loaded)
        output = app.output
        app.output = lambda words: output(["--version"])  # there is no Podman here
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.NAME == "task" and ASKS in app.world.details and app.world.shields)
        output = app.screen.log_lines.output
        await until(pilot, lambda: output.ended is not None)
        await pilot.pause(0.1)
        shown = painted(app)
    compare(shown, f"task-{size[0]}x{size[1]}")


def fixed(shown):
    """Return a screen in which names of commits and days are the same in every run."""
    return re.sub(r"\b\d{4}-\d\d-\d\d\b", "2026-01-01", re.sub(r"\b[0-9a-f]{12}\b", "c0ffee" * 2, shown))


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_review(tui, size, tmp_path, monkeypatch):
    populate()
    with Tasks() as tasks:
        with tasks.store.write() as writer:
            writer.change(REVIEW, "x", branch=f"terok/{REVIEW}")
        agent = agent_of(tasks, tmp_path / "repos", monkeypatch)
        work(agent)
        monkeypatch.setattr("terok.services.review_comments._person", lambda: "dev")
        agent.reviews.comment(agent.work, "src/greet.py:3", "Why another greeting? People know the old one by heart.")
        agent.reviews.comment(agent.work, "README:-5", "It was good.")
    app = tui()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.world.loaded)
        app.screen.go_to(app.world.tasks[REVIEW])
        await pilot.press("v")
        await until(pilot, lambda: app.screen.NAME == "review" and app.screen.rows)
        await pilot.pause(0.1)
        shown = [painted(app)]
        await pilot.press(*["right_curly_bracket"] * 3, "enter", "j", "j", "j", "j")
        screen = app.screen
        await until(
            pilot, lambda: screen.sheet is not None and screen.sheet.path == "src/greet.py" and screen.spot.row == 4
        )
        await until(pilot, lambda: screen._colors(screen.sheet))
        await pilot.pause(0.1)
        shown.append(painted(app))
        if size[0] >= 120:
            await pilot.press("backslash")
            await until(pilot, lambda: screen.sheet is not None and screen.sheet.split)
            await pilot.pause(0.1)
            shown.append(painted(app))
    compare(fixed("\n".join(shown)), f"review-{size[0]}x{size[1]}")


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
async def test_race(tui, size, tmp_path, monkeypatch, root):
    with Tasks() as tasks:
        raced(tasks, tmp_path / "repos", monkeypatch)
    app = tui()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.world.loaded)
        app.screen.go_to(app.world.tasks[FIRST])
        await pilot.press("N")
        await until(pilot, lambda: app.screen.NAME == "race" and "greet-2" in str(app.screen._judged))
        await pilot.pause(0.1)
        shown = painted(app)
    compare(fixed(shown), f"race-{size[0]}x{size[1]}")
