"""Another version is installed while this one runs."""

from __future__ import annotations

import asyncio
import sys

import pytest
from terok.tui.background import versions
from terok.tui.keymap import AGAIN
from textual import events

from .conftest import grid, until


@pytest.fixture
def newer(tmp_path, monkeypatch):
    """Return a function that puts another version in front of the one that is installed."""
    monkeypatch.setattr(versions, "_AT_EASE", 0)
    monkeypatch.setattr(sys, "path", list(sys.path))

    def install():
        place = tmp_path / "site/terok-98.7.dist-info"
        place.mkdir(parents=True)
        (place / "METADATA").write_text("Metadata-Version: 2.4\nName: terok\nVersion: 98.7\n")
        sys.path.insert(0, str(place.parent))

    return install


async def test_another_version_is_offered_and_begun_if_it_starts(tui, newer, monkeypatch):
    app = tui()
    async with app.run_test(size=(100, 24)) as pilot:
        await until(pilot, lambda: app.world.loaded and app._versions.compares)
        await asyncio.to_thread(newer)
        app.post_message(events.AppFocus())
        await until(pilot, lambda: "98.7 is installed: ^l begins again" in grid(app))
        monkeypatch.setattr("terok.tui.app.tried", lambda: 1 / 0)
        await pilot.press("ctrl+l")
        await until(pilot, lambda: "division" in grid(app))
        monkeypatch.undo()
        await pilot.press("ctrl+l")
        await until(pilot, lambda: app.return_value is not None)
    assert app.return_value == AGAIN
