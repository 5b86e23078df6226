"""AuthSession with a driver that is only a function: what a front end sees, in which order, and what is left."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from typing import Any

import pytest
from terok_executor.auth.session import AuthEvent, AuthSession, LoginOutput
from terok_executor.errors import CredentialShapeError, LoginError
from terok_executor.roster.types import LoginSpec

SPEC = LoginSpec(
    methods={"oauth": ("login",)},
    urls=("https://login.example.test/",),
    code=r"\b[A-Z]{4}-[0-9]{4}\b",
    paste="the code",
    callback_port=1455,
    allow=(),
    env={},
)
URL = "https://login.example.test/authorize?state=1"


class Driver:
    def __init__(self, play: Callable[[int, int], int], credential: dict[str, Any] | Exception | None = None) -> None:
        self.play, self.credential = play, credential if credential is not None else {"type": "oauth"}
        self.callbacks: list[str] = []
        self.closed = threading.Event()

    def open(self) -> None:
        pass

    def run(self, stdin: int, stdout: int) -> int:
        return self.play(stdin, stdout)

    def callback(self, url: str) -> None:
        self.callbacks.append(url)

    def collect(self) -> dict[str, Any]:
        if isinstance(self.credential, Exception):
            raise self.credential
        return self.credential

    def close(self) -> None:
        self.closed.set()


def asks_for_a_code(stdin: int, stdout: int) -> int:
    os.write(stdout, f"\x1b[1mvisit: {URL}\x1b[0m\r\nenter it > ".encode())
    return 0 if os.read(stdin, 100) == b"abc#def\n" else 3


def test_a_sign_in_from_page_to_vault() -> None:
    stored: list[dict[str, Any]] = []
    driver = Driver(asks_for_a_code)
    session = AuthSession(SPEC, driver, lambda credential: stored.append(credential) or "stored")
    seen = []
    for event in session.events():
        seen.append(event)
        if event.kind == "input":
            with pytest.raises(LoginError):
                session.answer("two\nlines")
            session.answer(" abc#def ")
    assert [event for event in seen if event.kind != "waiting"] == [
        AuthEvent("url", URL), AuthEvent("input", "the code"), AuthEvent("done", "stored"),
    ]  # fmt: skip
    assert stored == [{"type": "oauth"}]
    assert session.state == "done"
    assert driver.closed.is_set()
    with pytest.raises(LoginError):
        next(session.events())


@pytest.mark.parametrize(
    ("play", "credential", "text"),
    [
        (lambda _i, o: os.write(o, b"no \x1b[31mway\x1b[0m\n") and 4, None, "status 4: no way"),
        (lambda _i, _o: 0, CredentialShapeError("/f: a.b: a token is needed"), "/f: a.b: a token is needed"),
    ],
)
def test_a_failure_stores_nothing_and_says_why(
    play: Callable[[int, int], int], credential: Exception | None, text: str
) -> None:
    driver = Driver(play, credential)
    session = AuthSession(SPEC, driver, lambda _credential: pytest.fail("stored"))
    *_, last = session.events()
    assert last.kind == "failed"
    assert text in last.text
    assert session.state == "failed"
    assert driver.closed.is_set()


@pytest.mark.parametrize("way", ["cancel", "timeout", "abandon"])
def test_giving_up_leaves_nothing(way: str) -> None:
    driver = Driver(lambda _i, o: os.write(o, URL.encode() + b"\n") and driver.closed.wait(60) and 1)
    session = AuthSession(
        SPEC, driver, lambda _credential: pytest.fail("stored"), timeout=0.05 if way == "timeout" else 60
    )
    events = session.events()
    kinds = []
    for event in events:
        kinds.append(event.kind)
        if event.kind == "url" and way == "cancel":
            session.cancel()
        if event.kind == "url" and way == "abandon":
            events.close()
    assert driver.closed.is_set()
    assert (kinds[-1], session.state) == {
        "cancel": ("failed", "cancelled"), "timeout": ("failed", "failed"), "abandon": ("url", "cancelled"),
    }[way]  # fmt: skip


def test_the_address_of_the_page_s_end_goes_into_the_container() -> None:
    def play(stdin: int, stdout: int) -> int:
        os.write(stdout, URL.encode() + b"\n")
        return 0 if driver.closed.wait(0.5) or driver.callbacks else 1

    driver = Driver(play)
    session = AuthSession(SPEC, driver, lambda _credential: "stored")
    for event in session.events():
        if event.kind == "input":
            session.answer("http://localhost:1455/auth/callback?code=1")
    assert driver.callbacks == ["http://localhost:1455/auth/callback?code=1"]


@pytest.mark.parametrize(
    ("lines", "events"),
    [
        (["go to https://evil.example/https://login.example.test/ now"], []),
        (["go to https://login.example.test.evil.example/ now"], []),
        (
            ["https://login.example.test/a", "https://login.example.test/a again"],
            ["https://login.example.test/a", "the code"],
        ),
        (["your code: \x1b[1mABCD-1234\x1b[0m", "ABCD-1234"], ["ABCD-1234"]),
    ],
)
def test_only_what_the_roster_expects_reaches_a_person(lines: list[str], events: list[str]) -> None:
    output = LoginOutput(SPEC)
    data = "".join(f"{line}\r\n" for line in lines).encode()
    found = [event for index in range(len(data)) for event in output.feed(data[index : index + 1])] + output.finish()
    assert [event.text for event in found] == events
