"""The program with real keys on a real database; its loop does nothing that can wait."""

from __future__ import annotations

import asyncio
import time

import pytest
from terok.model.facts import Process
from terok.services import Tasks
from terok.store import Store
from terok.tui.background import keeper
from terok.tui.views.inbox import Place
from terok.tui.views.world import Changed
from terok_util import UsageError
from textual import events

from .conftest import ASKS, QUEUED, SPENT, WORKS, grid, populate, until


async def ready(pilot):
    await until(pilot, lambda: pilot.app.world.loaded and "terok  " in grid(pilot.app))


def fail(task_id):
    with Store() as store, store.write() as writer:
        writer.end(task_id, 1)
        writer.observe(task_id, process=Process(time.time(), "podman", "exited", 1))


def answered(task_id, question):
    with Store() as store, store.write() as writer:
        writer.answer(task_id, question)


def follow_ups(task_id):
    with Store() as store:
        return [one.text for one in store.follow_ups(task_id)]


async def test_the_inbox_shows_every_group_and_what_is_asked(tui):
    populate()
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await until(pilot, lambda: "1 yes   2 no   3 ask first" in grid(app))
        shown = grid(app)
        assert "terok  3 need you  1 to review  1 working  1 waiting  3 done" in shown
        heads = [line for line in shown.split("\n") if line.isupper()]
        assert heads == ["NEEDS YOU", "TO REVIEW", "WORKING", "WAITING", "DONE  3"]


async def test_news_are_drawn_and_the_cursor_stays_with_its_task(tui, source):
    populate()
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("j", "j", "j", "j")
        assert app.place.at == WORKS
        await asyncio.to_thread(fail, WORKS)
        source.tell()
        await until(pilot, lambda: app.world.tasks[WORKS].word == "failed")
        await until(
            pilot, lambda: app.place.at == QUEUED
        )  # what failed is in a folded group: its neighbor has the cursor
        assert "DONE  4" in grid(app)


async def test_next_that_needs_me_goes_around_and_also_in_a_task(tui):
    populate()
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        seen = []
        for _ in range(5):
            await pilot.press("right_square_bracket")
            seen.append(app.place.at)
        assert seen[4] == seen[0] and len(set(seen)) == 4
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.query("Log"))
        before = app.screen.here()
        await pilot.press("right_square_bracket")
        assert app.screen.here() != before


async def test_a_filter_is_applied_as_it_is_written_and_a_wrong_one_is_said(tui):
    populate()
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.press("slash", *"p:api")
        await until(pilot, lambda: "refactor-db" not in grid(app) and "lint-fixes" in grid(app))
        await pilot.press(*["backspace"] * 5, *"s:nonsense")
        await until(pilot, lambda: "invalid" in grid(app))
        await pilot.press("escape")
        await until(pilot, lambda: "refactor-db" in grid(app))
        assert app.place.filter == ""


async def test_stopping_is_shown_at_once_and_taken_back_with_the_error(tui, monkeypatch):
    populate()

    def refuse(self, task, **_):
        raise TimeoutError(110, "podman does not answer")

    monkeypatch.setattr(Tasks, "stop", refuse)
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        app.screen.go_to(app.world.tasks[WORKS])
        await pilot.press("x")
        assert "stop " in grid(app) and app.world.pending == {}
        await pilot.press("enter")
        await until(pilot, lambda: "podman does not answer" in grid(app))
        assert app.world.pending == {}


async def test_a_task_is_deleted_with_two_gestures_and_brought_back(tui, source):
    populate()
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        app.screen.go_to(app.world.tasks[QUEUED])
        await pilot.press("X", "escape")
        assert QUEUED in app.world.tasks
        await pilot.press("X", "enter")
        await until(pilot, lambda: not app.works.open)
        source.tell()
        await until(pilot, lambda: QUEUED not in app.world.tasks)
        await pilot.press("u")
        await until(pilot, lambda: QUEUED in app.world.tasks)


async def test_what_failed_stays_marked_and_the_place_is_kept_at_once(tui, monkeypatch):
    populate()

    def refuse(self, task):
        if task.id == "z0000001":
            raise UsageError("not this one")
        return 1

    monkeypatch.setattr(Tasks, "archive", refuse)
    kept: list[Place] = []
    monkeypatch.setattr(keeper, "keep_place", kept.append)
    monkeypatch.setattr(keeper, "GATHER", 0.0)
    app = tui(place=Place(folded=frozenset()))
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        app.screen.go_to(app.world.tasks["z0000000"])
        await pilot.press("m", "m", "A")
        await until(pilot, lambda: "archive z0000000 old-0, z0000001 old-1?" in grid(app))
        await pilot.press("enter")
        await until(pilot, lambda: not app.works.open and app.place.marks == {"z0000001"})
        await until(pilot, lambda: "not this one" in grid(app))
        await until(pilot, lambda: kept and kept[-1].at == app.place.at)


async def test_a_follow_up_is_written_for_a_headless_task(tui, source):
    populate()
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        app.screen.go_to(app.world.tasks[WORKS])
        await pilot.press("r", *"and[then]", "enter")
        await until(pilot, lambda: "waits until its turn has ended" in grid(app))
        assert await asyncio.to_thread(follow_ups, WORKS) == ["and[then]"]


async def test_an_answer_is_its_number_and_only_for_what_is_still_asked(tui, monkeypatch):
    populate()
    sent = []
    monkeypatch.setattr(Tasks, "send", lambda self, task, text: sent.append((task.id, text)))
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await until(pilot, lambda: "3 ask first" in grid(app))
        await pilot.press("4")
        await until(pilot, lambda: "no answer with this number" in grid(app))
        await pilot.press("2")
        await until(pilot, lambda: sent == [(ASKS, "2")] and not app.works.open)
        await asyncio.to_thread(answered, ASKS, "q1")
        await pilot.press("1")
        await until(pilot, lambda: "it no longer asks that" in grid(app))
        assert len(sent) == 1


async def test_a_question_that_a_screen_asks_at_once_has_the_keys_that_were_typed_ahead(tui):
    populate()
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        for key in "nXnA":
            app.post_message(events.Key(key, key))
        await until(pilot, lambda: app.screen.NAME == "new" and "what is to be done: XnA" in grid(app))


async def test_keys_that_are_typed_ahead_go_where_they_are_meant(tui):
    populate()
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        for key in "/xRqAn":
            app.post_message(events.Key({"/": "slash"}.get(key, key), key))
        await until(pilot, lambda: app.place.filter == "xRqAn" and "/ xRqAn" in grid(app))
        for key in ("enter", "slash"):
            app.post_message(events.Key(key, None if key == "enter" else "/"))
        await until(pilot, lambda: app.screen.query_one("Ask").asking)
        assert app.place.filter == "xRqAn"
        await pilot.press("escape")
        for key in ("ctrl+p", *"stop"):
            app.post_message(events.Key(key, key if len(key) == 1 else None))
        await until(pilot, lambda: app.screen.NAME == "palette" and "stop the task; its work stays" in grid(app))
        await until(pilot, lambda: app.screen.query_one("Input").value == "stop")
        assert app.world.pending == {}


async def test_no_key_is_lost_or_overtaken_while_the_screen_changes(tui):
    """A chunk that a terminal gives at once: everything in it was read in one go."""
    populate()
    app = tui()
    names = {"/": "slash", ":": "colon", "\r": "enter", "\x1b": "escape", "-": "minus", " ": "space"}
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        for wanted in ("name:refactor-db", "id:c1234567", "s:working p:core"):
            for key in f"/{wanted}\r":
                app.post_message(events.Key(names.get(key, key), key if key.isprintable() else None))
                app.post(Changed((app.world.tasks[WORKS],)))
            await until(pilot, lambda text=wanted: app.place.filter == text and not app.screen.query_one("Ask").asking)
            assert app.world.pending == {} and app.screen.NAME == "inbox"
            for key in "\x1bj\x1b":
                app.post_message(events.Key(names.get(key, key), key if key.isprintable() else None))
            await until(pilot, lambda: app.place.filter == "")


async def test_help_and_palette_have_every_action_of_the_screen(tui):
    populate()
    app = tui()
    async with app.run_test(size=(100, 60)) as pilot:
        await ready(pilot)
        await pilot.press("question_mark")
        await until(pilot, lambda: "On this screen (inbox)" in grid(app))
        assert "stop the task; its work stays" in grid(app)
        await pilot.press("escape", "ctrl+p")
        await until(pilot, lambda: "what do you want to do?" in grid(app))
        await pilot.press(*"task resto")
        await until(pilot, lambda: "terok task restore" in grid(app))


async def test_a_key_can_be_bound_anew(tui):
    populate()
    app = tui(keys={"down": "z"})
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        before = app.place.at
        await pilot.press("j")
        assert app.place.at == before
        await pilot.press("z")
        assert app.place.at != before


async def test_the_mouse_moves_opens_and_presses_keys_of_the_footer(tui):
    populate()
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await ready(pilot)
        await pilot.click("#list", offset=(10, 3))
        await until(pilot, lambda: app.screen.here() == SPENT)
        await pilot.click("#list", offset=(3, 10))  # the heading of a folded group
        await until(pilot, lambda: "old-0" in grid(app))
        line = grid(app).split("\n")[-1]
        await pilot.click("#foot", offset=(line.index("? more"), 0))
        await until(pilot, lambda: app.screen.NAME == "help")
        await pilot.press("escape")
        await until(pilot, lambda: app.screen.NAME == "inbox")
        await pilot.click("#list", offset=(10, 4), times=2)
        await pilot.click("#list", offset=(10, 3), times=2)
        await until(pilot, lambda: app.screen.NAME == "task")


@pytest.mark.parametrize("size", [(60, 10), (40, 8), (24, 6)])
async def test_a_small_terminal_still_shows_names_and_keys(tui, size):
    populate()
    app = tui()
    async with app.run_test(size=size) as pilot:
        await ready(pilot)
        await pilot.press("j", "enter")
        await until(pilot, lambda: app.screen.query("Log"))
        await pilot.press("escape", "g")
        assert any(name in grid(app) for name in ("fix-auth", "fix-")) and ASKS in app.world.tasks
