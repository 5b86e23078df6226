"""The screens of walls, vault, keys, signing in and timelines as they are at three sizes."""

from __future__ import annotations

import time
from functools import partial

import pytest
from terok.services import shields, signing_in, ssh_keys, vaults
from terok.tui.background.asking import Asked
from terok.tui.screens import timeline
from terok.tui.screens.page import Page
from terok.tui.views.clearance import verdicts, wish_lines
from terok.tui.views.signing_in import SignIn

from . import samples
from .conftest import WANTS, grid, painted, populate, until
from .test_grids import SIZES, compare


@pytest.fixture(autouse=True)
def fixed(root, monkeypatch):
    """Show the same values whenever it is."""
    populate()
    monkeypatch.setenv("TZ", "UTC")
    time.tzset()
    monkeypatch.setattr(Page, "now", staticmethod(lambda: samples.NOW))
    monkeypatch.setattr(shields, "look", lambda task: samples.wall(running=False))
    monkeypatch.setattr(shields, "why", lambda task, target: samples.why())
    monkeypatch.setattr(vaults, "look", samples.safe)
    monkeypatch.setattr(ssh_keys, "all_keys", samples.keys)
    monkeypatch.setattr(signing_in, "ways", samples.ways)
    monkeypatch.setattr(timeline, "gather", lambda tasks, task, tail: samples.timeline())
    yield
    monkeypatch.undo()
    time.tzset()


async def shield(app, pilot):
    app.open_page("shield", task=WANTS)
    await until(pilot, lambda: app.screen.NAME == "shield" and "LATELY  3" in grid(app))
    await pilot.press("w", *"x", "enter")
    await until(pilot, lambda: app.screen._why is not None)


async def asked(app, pilot):
    app.open_page("clearance")
    await until(pilot, lambda: app.screen.NAME == "clearance" and "nothing waits" in grid(app))
    app.screen._asking.stop()
    other = samples.wish("xn--files-example.org:22/tcp", id="r2", odd="letters that look like others", times=1)
    app.screen._with_asked(Asked((samples.wish(), other)))


async def choice(app, pilot):
    about = partial(wish_lines, samples.wish())
    app.page.choose("verdict about files.example.org:443/tcp", verdicts(), print, about=about)
    await until(pilot, lambda: app.screen.NAME == "choice")


async def named(name, text, app, pilot, **more):
    app.open_page(name, **more)
    await until(pilot, lambda: name == app.screen.NAME and text in grid(app))


async def signin(app, pilot):
    way = samples.ways()[1]
    stage = SignIn(way.label, "waiting for you to sign in there", "https://login.example.org/device?a=1", "AB-12", "")

    class Still:
        def events(self):
            yield from ()

        def cancel(self):
            pass

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(signing_in, "session", lambda provider, method, say: Still())
        app.open_page("signin", way=way, method="device")
        await until(pilot, lambda: app.screen.NAME == "signin" and not app.works.open)
    app.screen._stage = stage
    app.screen.redraw()


SHOWN = {
    "shield": shield,
    "clearance": asked,
    "choice": choice,
    "vault": partial(named, "vault", "BUDGETS  2"),
    "keys": partial(named, "keys", "WEB  1"),
    "auth": partial(named, "auth", "Mistral"),
    "timeline": partial(named, "timeline", "push landed", task=WANTS),
    "signin": signin,
}


@pytest.mark.parametrize("size", SIZES, ids=lambda size: f"{size[0]}x{size[1]}")
@pytest.mark.parametrize("name", SHOWN)
async def test_screen(tui, size, name):
    app = tui()
    async with app.run_test(size=size) as pilot:
        await until(pilot, lambda: app.world.loaded)
        await SHOWN[name](app, pilot)
        await until(pilot, lambda: not app.works.open)
        await pilot.pause(0.1)
        shown = painted(app)
    compare(shown, f"{name}-{size[0]}x{size[1]}")
