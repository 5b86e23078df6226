"""The terminal interface in a real browser: a link that works once, real keys, and a task from its start to its end."""

from __future__ import annotations

import re
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from browser import PROGRAM, Browser, present
from support import Shell, Terminal, needs
from terok.stub import StubProvider

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def web(ready: Shell, terminal: Callable[..., Terminal]) -> Iterator[Terminal]:
    needs(PROGRAM, present())
    (Path(ready.environment["TEROK_ROOT"]) / "state/tui.json").unlink(missing_ok=True)  # where another test was
    served = terminal("terok", "tui", "--web")
    yield served
    if served.process.poll() is None:
        served.process.send_signal(signal.SIGTERM)
    assert served.process.wait(60) == 0


@pytest.fixture
def browser(ready: Shell, tmp_path: Path) -> Iterator[Callable[[], Browser]]:
    opened: list[Browser] = []

    def start() -> Browser:
        place = tmp_path / f"browser{len(opened)}"
        place.mkdir()
        opened.append(Browser(place, ready.environment))
        return opened[-1]

    yield start
    for one in opened:
        one.end()


def links(served: Terminal, number: int) -> str:
    """Return one of the links that were printed so far."""
    served.wait(lambda: len(re.findall(r"http\S+#\S+\r", served.seen)) > number, lambda: f"no link:\n{served.seen}")
    return re.findall(r"(http\S+#\S+)\r", served.seen)[number]


def test_a_task_is_started_and_seen_done_in_a_browser(
    ready: Shell, stub: StubProvider, project: str, web: Terminal, browser: Callable[[], Browser]
) -> None:
    page = browser()
    page.open(links(web, 0))
    page.until("? more")
    assert page.js("location.href").endswith(":" + links(web, 0).split(":")[2].split("/")[0] + "/"), "no token is left"
    page.keys(":")
    page.until("any command")
    page.write(f"task run {project} 'Add a [line]' --name from-a-page", "Enter")
    page.until("terok task run")
    page.until("done")
    page.keys("Escape")
    page.until("TO REVIEW")
    page.click("from-a-page")
    page.keys("Enter")
    page.until("[bash] echo 'A line by the agent.'")
    page.keys("t")
    page.until("it does not run; R starts it")
    page.reload()
    page.until("[bash] echo 'A line by the agent.'")
    page.keys("q")
    page.until("terok was left.")
    page.keys("Enter")
    page.until("terok was left.", gone=True)
    page.until("from-a-page")


def test_a_link_lets_one_browser_in_and_each_has_a_program(
    ready: Shell, project: str, web: Terminal, browser: Callable[[], Browser]
) -> None:
    one, other = browser(), browser()
    one.open(links(web, 0))
    one.until("? more")
    other.open(links(web, 0))
    other.until("This link was used")
    web.type("\n")
    other.open(links(web, 1))
    other.until("? more")
    one.keys("?")
    one.until("On this screen")
    assert "On this screen" not in other.text()
    other.js("open('/', '_self')")
    other.until("? more")
    web.process.send_signal(signal.SIGTERM)
    assert web.process.wait(60) == 0
    one.until("The server was ended.")
