"""The terminal interface in a real terminal: keys go in through tmux, and its screen is read back."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from support import Shell, Terminal
from terok.stub import Script, StubProvider

PATIENCE = 90.0
pytestmark = pytest.mark.timeout(600)


class Tmux:
    """One terminal of a size, with a program in it."""

    def __init__(self, sh: Shell, place: Path, command: str, size: tuple[int, int]) -> None:
        self._sh, self._socket = sh, str(place / "tmux.sock")
        width, height = map(str, size)
        self("-f", "/dev/null", "new-session", "-d", "-x", width, "-y", height, f"{command}; echo END $?; stty -a; cat")

    def __call__(self, *words: str) -> str:
        return self._sh("env", "TERM=xterm-256color", "tmux", "-S", self._socket, *words).out

    def keys(self, *keys: str) -> None:
        """Press keys, by tmux's names of them."""
        for key in keys:
            self("send-keys", key)

    def write(self, text: str, *keys: str) -> None:
        """Write text as it is, and press keys after it."""
        self("send-keys", "-l", text)
        self.keys(*keys)

    def screen(self) -> str:
        return self("capture-pane", "-p")

    def until(self, text: str, *, gone: bool = False, patience: float = PATIENCE) -> str:
        """Wait until a text is on the screen, or no longer, and return the screen."""
        deadline = time.monotonic() + patience
        while (text in (shown := self.screen())) is gone:
            assert time.monotonic() < deadline, f"{text!r} {'stays' if gone else 'never came'}:\n{shown}"
            time.sleep(0.05)
        return shown

    def back(self, text: str) -> None:
        """Press Esc until a text is gone; a key right behind Esc would be another key."""
        self.keys("Escape")
        self.until(text, gone=True)

    def end(self) -> None:
        self._sh("tmux", "-S", self._socket, "kill-server", code=None)


@pytest.fixture
def tmux(ready: Shell, tmp_path: Path, project: str) -> Iterator[Callable[..., Tmux]]:
    opened: list[Tmux] = []
    (Path(ready.environment["TEROK_ROOT"]) / "state/tui.json").unlink(missing_ok=True)  # where another test was
    if others := [row["id"] for row in ready("terok", "task", "list", "--json").json()]:
        ready("terok", "task", "delete", "--running", *others, code=None, timeout=300)
    for name in {row["name"] for row in ready("terok", "project", "list", "--json").json()} - {project}:
        ready("terok", "project", "delete", name, code=None)  # of another test; a single one is proposed

    def start(command: str = "terok", size: tuple[int, int] = (80, 24)) -> Tmux:
        place = tmp_path / f"tmux{len(opened)}"
        place.mkdir()
        opened.append(Tmux(ready, place, command, size))
        return opened[-1]

    yield start
    for one in opened:
        one.end()


def test_from_a_prompt_to_a_promoted_change_and_back(
    ready: Shell, stub: StubProvider, project: str, tmux: Callable[..., Tmux]
) -> None:
    screen = tmux()
    screen.until("? more")
    screen.keys("n")
    screen.until("what is to be done")
    screen.write("Add a [line] to the README", "Enter")
    screen.until("headless: it works by itself")
    screen.keys("s")
    screen.until("TO REVIEW")
    screen.keys("]", "Enter")
    screen.until("[bash] echo 'A line by the agent.'")
    screen.until("commits on terok/")
    screen.until("Add a [line] to the README")
    screen.keys("v")
    screen.until(f"review {project}/")
    screen.until("README.md")
    screen.keys(">")
    screen.until("+A line by the agent.")
    screen.keys("j", "c")
    screen.until("comment on README.md:")
    screen.write("Say [more].", "Enter")
    screen.until("(written)")
    screen.keys("P")
    screen.until("promote to branch:")
    screen.keys("Enter")
    screen.until("pull request into:")
    screen.keys("Enter")
    screen.until("enter does it")
    screen.keys("Enter")
    screen.until("terok promote")
    screen.until("done")
    screen.back("terok promote")
    screen.until("+A line by the agent.")
    screen.back("+A line by the agent.")
    screen.back(f"review {project}/")
    screen.back("esc back")
    screen.until("enter open")

    screen.keys("X")
    screen.until("delete ")
    screen.keys("Enter")
    screen.until("u brings it back")
    assert ready("terok", "task", "list", f"p:{project}", "--json").json() == []
    screen.keys("u")
    screen.until("taken back: deleted")
    (row,) = ready("terok", "task", "list", f"p:{project}", "--json").json()

    screen.write("/")
    screen.write(f"id:{row['id']}", "Enter")
    screen.until(f"/ id:{row['id']}")
    screen.keys("r")
    screen.until("next for")
    screen.write("And once more", "Enter")
    screen.until("goes on with it")
    screen.until(" working", gone=True)
    said = ready("terok", "task", "logs", row["id"]).out
    assert "And once more" in said and "1. README.md:1 (terok/" in said, "what is said and the comment reach the agent"

    screen.keys("q")
    screen.until("END 0")
    shown = screen.until("extproc")  # the last of what stty says
    assert " icanon " in shown and " echo " in shown, "the terminal is as it was"


def test_it_comes_back_where_it_was_and_follows_a_controller_that_is_killed(
    ready: Shell, stub: StubProvider, project: str, tmux: Callable[..., Tmux]
) -> None:
    ready("terok", "task", "run", project, "One", "--name", "one", timeout=600)
    ready("terok", "task", "new", project, "Two", "--name", "two")
    screen = tmux(size=(100, 30))
    screen.until("TO REVIEW")
    screen.write("/")
    screen.write(f"p:{project}", "Enter")
    screen.until("two")
    screen.keys("q")
    screen.until("END 0")

    again = tmux(size=(100, 30))
    again.until("two")
    pid = ready("terok", "controller", "status", "--json").json()["pid"]
    os.kill(pid, signal.SIGKILL)
    ready("terok", "task", "rename", "two", "renamed")
    again.until("renamed")
    assert ready("terok", "controller", "status", "--json").json()["pid"] != pid


def test_a_task_is_stopped_started_and_talked_to(
    ready: Shell, stub: StubProvider, project: str, tmux: Callable[..., Tmux]
) -> None:
    stub.script = Script(("sleep 300",))
    ready("terok", "task", "run", project, "Wait", "--name", "waits", "--detach", timeout=600)
    screen = tmux(size=(160, 48))
    screen.until("? more")
    screen.write("/")
    screen.write("waits", "Enter", "Enter")
    screen.until("[bash] sleep 300")
    screen.keys("x")
    screen.until("stop ")
    screen.keys("Enter")
    screen.until("stopped by a person")
    screen.keys("R")
    screen.until("working")
    screen.keys("x", "Enter")
    screen.until("stopped by a person")


def test_the_plain_form_reads_and_stops(
    ready: Shell, stub: StubProvider, project: str, terminal: Callable[..., Terminal]
) -> None:
    ready("terok", "task", "run", project, "One", "--name", "one", timeout=600)
    plain = terminal("terok", "tui", "--plain")
    plain.expect("plain form, because of --plain")
    plain.type(f"/ p:{project}\n")
    plain.expect("To review: 1")
    plain.type("1\n")
    plain.expect("commits on terok/")
    plain.type("b\n")
    plain.type(": task list\n")
    plain.expect("one")
    plain.type("q\n")
    assert plain.process.wait(60) == 0


def test_terminals_of_other_programs_see_nothing_of_it(ready: Shell) -> None:
    done = ready("terok", code=0)
    assert "usage: terok" in done.out and "\x1b" not in done.out
    assert "there is no terminal here" in ready("terok", "tui", code=2).err
