"""Clearance on the screen: nothing is decided by one key, and what is decided is what was shown."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from terok.services import clearances
from terok.services.clearances import Wish
from terok.tui.views.clearance import wish_line, wish_lines
from terok.tui.views.text import STYLES, plain, width
from terok_sandbox import ClearanceRequest, Verdict
from terok_sandbox.clearance.model import Target

from .conftest import WANTS, grid, populate, until


@given(st.text(max_size=60), st.integers(1, 120))
def test_hostile_destinations_fit_and_are_safe(text, cells):
    wish = Wish(text, text, text, text, text, text, 1.0, 3, True, text)
    for line in (wish_line(wish, {}, 100.0, cells), *wish_lines(wish, cells)):
        assert width(line) <= cells and plain(line).isprintable()
        assert all(span.style in STYLES for span in line)


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Verdict]]:
    """Put a gateway in place that has one question, and remember the answers."""
    given: list[tuple[str, Verdict]] = []
    request = ClearanceRequest(
        "r1", f"terok-api-{WANTS}", Target("files.example.org", port=443), "no rule allows it", 1.0, 2.0, program="curl"
    )
    monkeypatch.setattr(clearances, "waiting_requests", lambda config, container=None: [] if given else [request])

    def answer(config, wish, verdict):
        given.append((wish, verdict))
        return request

    monkeypatch.setattr(clearances, "answer_request", answer)
    return given


async def test_a_destination_is_allowed_with_two_gestures_and_a_reason(tui, answers):
    populate()
    app = tui()
    async with app.run_test(size=(100, 30)) as pilot:
        await until(pilot, lambda: app.world.loaded)
        await pilot.press("C")
        await until(pilot, lambda: "api/bump-deps" in grid(app) and "files.example.org:443" in grid(app))
        assert "by curl" in grid(app) and "no rule allows it" in grid(app)
        await pilot.press("a", "enter")
        await until(pilot, lambda: "nothing was decided" in grid(app))
        assert answers == []
        await pilot.press("a", *"2 for the fixtures", "enter")
        await until(pilot, lambda: "nothing waits for you" in grid(app))
        assert answers == [("r1", Verdict("allow", "minutes", 10, "for the fixtures"))]


async def test_a_destination_is_denied(tui, answers):
    populate()
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await until(pilot, lambda: app.world.loaded)
        await pilot.press("C")
        await until(pilot, lambda: "files.example.org:443" in grid(app))
        await pilot.press("D", *"3 ask me first", "enter")
        await until(pilot, lambda: answers != [])
        assert answers == [("r1", Verdict("deny", "task", 0, "ask me first"))]
