"""The screens of upkeep at three sizes, from fixed values."""

from __future__ import annotations

import time

import pytest
from terok.tui.screens import new, operations, panic, projects, settings, sickbay, storage, usage, wizard

from .conftest import painted, populate, until
from .looked import CHOICES, HELD, LOCKED, REMARKS, SETTINGS, SPENDING, SUGGESTED
from .looked import operations as some_operations
from .test_grids import SIZES, compare

KEYS = {"operations": "U", "usage": "p$", "storage": "I", "sickbay": "H", "settings": "E", "wizard": "pa", "new": "n"}
KEYS |= {"projects": "p", "panic": "!"}
NAMES = {"$": "dollar_sign", "!": "exclamation_mark"}
WORDS = {
    "operations": "deleted task",
    "usage": "web/fix-auth",
    "storage": "workspace",
    "sickbay": "the vault is locked",
    "settings": "run.memory",
    "wizard": "forge.example",
    "new": "prompt",
    "projects": "no project yet",
    "panic": "LOCKDOWN",
}


@pytest.fixture(autouse=True)
def fixed(monkeypatch):
    now = time.time()
    monkeypatch.setattr(operations, "read_operations", lambda: some_operations(now))
    monkeypatch.setattr(usage, "read_usage", lambda by, since, task: SPENDING)
    monkeypatch.setattr(storage, "read_storage", lambda: HELD)
    monkeypatch.setattr(sickbay, "examine", lambda project: REMARKS)
    monkeypatch.setattr(settings, "read_settings", lambda project: SETTINGS)
    monkeypatch.setattr(wizard, "read_suggestions", lambda: SUGGESTED)
    monkeypatch.setattr(new, "read_choices", lambda: CHOICES)
    monkeypatch.setattr(projects, "read_projects", list)
    monkeypatch.setattr(panic, "read_lockdown", lambda: LOCKED)


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", KEYS)
async def test_a_screen(tui, name, size):
    populate()
    app = tui()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.world.loaded)
        for key in KEYS[name]:
            before = app.screen
            await pilot.press(NAMES.get(key, key), *(["enter"] if key == "!" else []))
            await until(pilot, lambda before=before: app.screen is not before)
        await until(pilot, lambda: name == app.screen.NAME and WORDS[name] in painted(app))
        await pilot.pause(0.1)
        shown = painted(app)
    compare(shown, f"{name}-{size[0]}x{size[1]}")
