"""Screens as they are at three sizes: their text, and the looks of every cell.

    NEW_GRIDS=1 pytest packages/terok/tests/unit/tui/test_grids.py

writes them anew; look at the difference.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from .conftest import ASKS, painted, populate, until

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
