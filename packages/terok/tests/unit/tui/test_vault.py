"""The vault on the screen, a real one: no secret is ever shown, and every change asks or can be changed back."""

from __future__ import annotations

import asyncio
import os

import pytest
from terok.services import signing_in, ssh_keys
from terok_executor import AuthSession
from terok_executor.roster.types import LoginSpec
from terok_sandbox import SandboxConfig, open_vault, provision_session

from .conftest import ASKS, grid, populate, until

SECRET = "sk-not-to-be-seen-0123456789abcdef"
CONFIG = "credentials:\n  passphrase_command: [echo, a-passphrase-of-a-test]\n"


@pytest.fixture
def vault(root):
    """Give a vault with a key and a token."""
    (root / "config").mkdir(exist_ok=True)
    (root / "config/config.yml").write_text(CONFIG)
    populate()
    config = SandboxConfig.load()
    provision_session(config)
    with open_vault(config) as database:
        database.store_credential("default", "anthropic", {"type": "api_key", "key": SECRET})
        database.create_token(f"terok-web-{ASKS}", "anthropic")
    return config


def stored(config):
    with open_vault(config) as database:
        return [(row.provider, row.billing) for row in database.list_credentials()], len(database.list_tokens())


def key_of(config, provider):
    with open_vault(config) as database:
        return database.load_credential("default", provider)["key"]


async def opened(pilot, *keys, text):
    app = pilot.app
    await until(pilot, lambda: app.world.loaded)
    for key in keys:
        before = app.screen
        await pilot.press(key)
        await until(pilot, lambda before=before: app.screen is not before)
    await until(pilot, lambda: text in grid(app))


async def test_credentials_tokens_and_tiers_without_their_secrets(tui, vault):
    app = tui()
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, "S", text="anthropic")
        shown = grid(app)
        assert "vault unlocked" in shown and "web/fix-auth" in shown and "systemd-creds" in shown
        assert SECRET not in shown and "terok-p-" not in shown
        await pilot.press("g", "j", "b")
        await until(pilot, lambda: "plan" in grid(app))
        await pilot.press("x")
        await until(pilot, lambda: "go to a token first" in grid(app))
        await pilot.press("right_curly_bracket", "right_curly_bracket", "j", "x", "enter")
        await until(pilot, lambda: "no container has one" in grid(app))
        await pilot.press("g", "j", "X", "escape")
        assert await asyncio.to_thread(stored, vault) == ([("anthropic", "plan")], 0)
        await pilot.press("X", "enter")
        await until(pilot, lambda: "none; + stores a key or signs in" in grid(app))


async def test_it_is_locked_and_unlocked(tui, vault):
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "S", text="anthropic")
        await pilot.press("O")
        await until(pilot, lambda: "it is unlocked" in grid(app))
        await pilot.press("L", "enter")
        await until(pilot, lambda: not vault.vault_session_file.exists() and "the vault is locked" in grid(app))
        await pilot.press("O")
        await until(pilot, lambda: vault.vault_session_file.exists() and "the vault is unlocked" in grid(app))


async def test_a_key_is_typed_without_being_seen(tui, vault):
    app = tui()
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, "S", "plus", text="Mistral")
        app.screen.move(next(n for n, item in enumerate(app.screen._laid) if item.key.endswith(" mistral")))
        await pilot.press("enter")
        await until(pilot, lambda: "API key of" in grid(app))
        await pilot.press(*SECRET)
        assert SECRET not in grid(app) and SECRET[:9] not in grid(app)
        await pilot.press("enter")
        await until(pilot, lambda: "stored the API key of" in grid(app))
        assert await asyncio.to_thread(key_of, vault, "mistral") == SECRET
        assert app.screen.query_one("Input").value == ""


class Driver:
    """A vendor's sign-in: prints a link and a code, and waits for what the page has shown."""

    def __init__(self):
        self.closed, self.given = 0, ""

    def open(self):
        pass

    def run(self, stdin, stdout):
        os.write(stdout, b"open \x1b[1mhttps://login.example.org/device?a=1\x1b[0m\nand type AB-12[CD\n")
        self.given = os.read(stdin, 100).decode().strip()
        return 0

    def callback(self, url):
        raise AssertionError

    def collect(self):
        return {"type": "oauth", "access_token": SECRET}

    def close(self):
        self.closed += 1


@pytest.fixture
def login(monkeypatch):
    driver = Driver()
    spec = LoginSpec(
        methods={"device": ("x",)}, urls=("https://login.example.org/",), code="AB-[^ ]+", paste="the code"
    )

    def session(provider, method, say):
        return AuthSession(spec, driver, lambda credential: "stored the sign-in")

    monkeypatch.setattr(signing_in, "session", session)
    return driver


async def test_a_sign_in_shows_link_and_code_and_takes_the_answer(tui, vault, login):
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "S", "plus", text="claude")
        app.screen.move(next(n for n, item in enumerate(app.screen._laid) if item.key.endswith(" anthropic")))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.NAME == "choice")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.NAME == "signin" and "AB-12[CD" in grid(app))
        assert "https://login.example.org/device?a=1" in grid(app)
        await until(pilot, lambda: "write here: the code" in grid(app))
        await pilot.press("enter", *"1234", "enter")
        await until(pilot, lambda: "stored the sign-in" in grid(app))
        assert (login.given, login.closed) == ("1234", 1) and SECRET not in grid(app)


async def test_going_back_gives_a_sign_in_up(tui, vault, login):
    app = tui()
    async with app.run_test(size=(80, 24)) as pilot:
        await opened(pilot, "S", "plus", text="claude")
        app.screen.move(next(n for n, item in enumerate(app.screen._laid) if item.key.endswith(" anthropic")))
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.NAME == "choice")
        await pilot.press("enter")
        await until(pilot, lambda: app.screen.NAME == "signin" and "AB-12[CD" in grid(app))
        await pilot.press("escape")
        await until(pilot, lambda: login.closed == 1)


async def test_ssh_keys_are_made_linked_named_and_deleted(tui, vault):
    app = tui()
    async with app.run_test(size=(100, 30)) as pilot:
        await opened(pilot, "S", "K", text="none; + mints one")
        await pilot.press("e")
        await until(pilot, lambda: "go to a key first" in grid(app))
        await pilot.press("plus", *"api", "enter")
        await until(pilot, lambda: "API  1" in grid(app) and "ssh-ed25519" in grid(app))
        await pilot.press("j", "j", "L", *"web", "enter")
        await until(pilot, lambda: "WEB  1" in grid(app))
        await pilot.press("g", "j", "e", *["backspace"] * 5, *"mine", "enter")
        await until(pilot, lambda: grid(app).count("mine") >= 2)
        await pilot.press("x", "enter")
        await until(pilot, lambda: "API  1" not in grid(app))
        found = await asyncio.to_thread(ssh_keys.all_keys)
        assert [(key.scope, key.comment, key.default) for key in found] == [("web", "mine", True)]
        await pilot.press("g", "j", "X", "enter")
        await until(pilot, lambda: "none; + mints one" in grid(app))
