"""A timeline on the screen: from real records, live, filtered, with what is wrong with the records said."""

from __future__ import annotations

import asyncio

import pytest
from terok.store import Store
from terok_sandbox import AuditLog, SandboxConfig

from .conftest import WANTS, grid, populate, until


@pytest.fixture
def records(root):
    """Give the audit log of a task's shield."""
    populate()
    place = SandboxConfig.load().gateway_dir(f"terok-api-{WANTS}") / "shield-audit.jsonl"
    log = AuditLog(place, container=f"terok-api-{WANTS}")
    for number in range(3):
        log.append("refused", name=f"n{number}.example.org", port=443, reason="no rule [allows] it")
    return place


async def opened(pilot):
    app = pilot.app
    await until(pilot, lambda: app.world.loaded)
    app.screen.go_to(app.world.tasks[WANTS])
    await pilot.press("T")
    await until(pilot, lambda: app.screen.NAME == "timeline" and "n2.example.org" in grid(app))


def write_follow_up():
    with Store() as store, store.write() as writer:
        writer.follow_up(WANTS, "and then this", "queue")


async def test_it_is_shown_filtered_and_followed(tui, source, records):
    app = tui()
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot)
        assert "not what was written" not in grid(app) and "no rule [allows] it" in grid(app)
        await pilot.press("slash", *"name")
        await until(pilot, lambda: app.screen.count == 3)
        await pilot.press(*" n1.", "enter")
        await until(pilot, lambda: app.screen.count == 1)
        await pilot.press("slash", "escape", "G")
        before = app.screen.count
        await asyncio.to_thread(write_follow_up)
        source.tell()
        await until(pilot, lambda: app.screen.count > before and app.screen.at == app.screen.count - 1)
        assert "follow_up" in grid(app)
        await pilot.press("g")
        await until(pilot, lambda: app.screen.at == 0 and "created" in grid(app))


async def test_a_broken_chain_is_said_above_everything(tui, records):
    lines = records.read_text().splitlines(keepends=True)
    records.write_text(lines[0] + lines[2])
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot)
        assert "the shield audit log is not what was written" in "\n".join(grid(app).split("\n")[:4])
        await pilot.click("#kinds", offset=(grid(app).split("\n")[1].index("record"), 0))
        await until(pilot, lambda: app.screen.count == 1)
