"""Notifications: which, in which words, on a real daemon; and the lock that keeps the machine awake."""

from __future__ import annotations

import asyncio
import os
import subprocess
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from dbus_fast.aio import MessageBus
from dbus_fast.service import ServiceInterface, method
from hypothesis import given
from hypothesis import strategies as st
from terok.controller.notifying import Notifying
from terok.controller.rules import rules_from_json
from terok.desktop.awake import Awake
from terok.desktop.bubbles import Bubbles
from terok.desktop.notices import Notice, notice_of, terminal_notice
from terok.model.claims import Claim
from terok.model.facts import Process
from terok.model.money import NEARLY
from terok.model.task import Event, Task
from terok.store import Store

AT = 1000.0
TASK = Task("a3bcdefg", "web", "fix-auth", "demo", "headless", AT, word="question", group="needs", unread=True)
STATES = frozenset(("needs", "review", "failed"))
BUS = """<busconfig><type>session</type><listen>unix:path={path}</listen><auth>EXTERNAL</auth>
<policy context="default"><allow send_destination="*" eavesdrop="true"/><allow eavesdrop="true"/>
<allow own="*"/></policy>
</busconfig>"""


def changed(was: str, word: str) -> Event:
    return Event(1, AT, TASK.id, "state", {"was": was, "word": word})


@pytest.mark.parametrize(
    ("event", "task", "told"),
    [
        (changed("working", "question"), TASK, True),
        (changed("question", "question"), TASK, False),
        (changed("working", "question"), TASK._replace(word="working"), False),
        (changed("working", "question"), TASK._replace(unread=False), False),
        (changed("working", "failed"), TASK._replace(word="failed", group="over"), True),
        (changed("working", "done"), TASK._replace(word="done", group="over"), False),
        (changed("working", "review"), TASK._replace(word="review", group="review"), True),
        (changed("working", "question")._replace(kind="follow_up"), TASK, False),
    ],
)
def test_which_changes_are_told(event: Event, task: Task, told: bool) -> None:
    assert (notice_of(event, task, STATES) is not None) is told


def test_a_budget_that_is_nearly_used_is_told_in_its_words() -> None:
    event = Event(1, AT, TASK.id, NEARLY, {"whose": "project", "limit": "cost_usd", "used": 4.1, "most": 5})
    notice = notice_of(event, TASK, STATES)
    assert notice is not None and not notice.urgent
    assert (notice.summary, notice.body) == ("web/fix-auth: budget nearly used", "$4.10 of $5.00 of the project used")
    assert notice_of(event, TASK, frozenset(("failed",))) is None
    tokens = event._replace(data={"whose": "day", "limit": "tokens", "used": 81_000, "most": 1e5})
    told = notice_of(tokens, TASK, frozenset(("budget",)))
    assert told is not None and told.body == "81,000 of 100,000 tokens of the day used"


@given(st.text())
def test_a_terminal_reads_one_sequence_whatever_the_text(text: str) -> None:
    shown = terminal_notice(Notice("a", "question", text, text, True))
    assert shown.startswith("\x1b]9;")
    assert shown.endswith("\x1b\\\a")
    assert shown[4:-3].isprintable()


@pytest.fixture
async def bus(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Path]:
    """Run a bus of our own; yield the directory of its socket."""
    (tmp_path / "bus.conf").write_text(BUS.format(path=tmp_path / "bus"))
    argv = ["dbus-daemon", f"--config-file={tmp_path}/bus.conf", "--nofork", "--nopidfile", "--print-address"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE) as daemon:
        assert daemon.stdout is not None
        await asyncio.to_thread(daemon.stdout.readline)
        for name in ("SESSION", "SYSTEM"):
            monkeypatch.setenv(f"DBUS_{name}_BUS_ADDRESS", f"unix:path={tmp_path}/bus")
        yield tmp_path
        daemon.terminate()


@pytest.fixture
async def dunst(bus: Path) -> AsyncIterator[Path]:
    """Run a real notification daemon on an X server of our own, whose menu chooses the first action."""
    menu = bus / "menu"
    menu.write_text("#!/bin/sh\nhead -n1\n")
    menu.chmod(0o755)
    (bus / "dunstrc").write_text(f"[global]\ndmenu = {menu}\nmarkup = full\nmonitor = 0\n")
    reader, writer = os.pipe()
    argv = ["Xvfb", "-displayfd", str(writer), "-screen", "0", "640x480x24", "-nolisten", "tcp"]
    with subprocess.Popen(argv, pass_fds=(writer,), stderr=subprocess.DEVNULL) as server:
        os.close(writer)
        with open(reader) as displays:
            environment = {**os.environ, "DISPLAY": f":{(await asyncio.to_thread(displays.readline)).strip()}"}
        with subprocess.Popen(["dunst", "-conf", str(bus / "dunstrc")], env=environment) as daemon:
            await until(lambda: dunstctl("is-paused") == "false")
            yield bus
            daemon.terminate()
        server.terminate()


def dunstctl(*words: str) -> str:
    return subprocess.run(["dunstctl", *words], capture_output=True, text=True, check=False).stdout.strip()


async def until(condition: object) -> None:
    assert callable(condition)
    async with asyncio.timeout(30):
        while not await asyncio.to_thread(condition):
            await asyncio.sleep(0.05)


def displayed() -> str:
    return dunstctl("count", "displayed")


async def test_a_real_daemon_shows_one_per_task_and_a_press_reaches_us(dunst: Path) -> None:
    seen: list[str] = []
    bubbles = Bubbles(seen.append)
    notice = Notice("a3bcdefg", "question", "web/<b>fix: question", "run <i>it</i> & more?", True)
    assert await bubbles.show(notice)
    assert await bubbles.show(notice._replace(body="other"))
    await until(lambda: displayed() == "1")
    assert await bubbles.show(notice._replace(task="b"))
    await until(lambda: displayed() == "2")
    await bubbles.withdraw("b")
    await until(lambda: displayed() == "1")
    assert seen == []
    await asyncio.to_thread(dunstctl, "context")
    await until(lambda: seen == ["a3bcdefg"])
    await bubbles.close()


async def test_without_a_daemon_nothing_is_shown_until_there_is_one(bus: Path) -> None:
    bubbles = Bubbles(lambda task: None)
    assert not await bubbles.show(Notice("a", "question", "s", "b", False))
    await bubbles.close()


async def test_every_change_is_told_once_also_by_the_next_controller(tmp_path: Path) -> None:
    told = tmp_path / "told"
    script = f'echo "$TEROK_NOTIFY_NAME $TEROK_NOTIFY_STATE $TEROK_NOTIFY_TEXT" >> {told}'
    rules = rules_from_json(
        {
            "total": 1,
            "per_project": 1,
            "projects": {},
            "disk_floor": 0,
            "resume": True,
            "keep_awake": False,
            "desktop": False,
            "command": ["sh", "-c", script],
            "states": [*STATES],
            "waits": {},
        }
    )
    with Store(tmp_path / "s" / "terok.db") as store:
        with store.write(AT) as writer:
            writer.add_task(Task("a3bcdefg", "web", "fix-auth", "demo", "interactive", AT), {})
            writer.begin("a3bcdefg", "c")
            writer.observe("a3bcdefg", process=Process(AT, "podman", "up"))
        notifying = Notifying(store)
        notifying.look(rules)
        with store.write(AT + 1) as writer:
            writer.claim("a3bcdefg", Claim(AT + 1, "question", "q", "run it; now?"))
        notifying.look(rules)
        notifying.look(rules)
        await until(told.exists)
        await notifying.close()
        another = Notifying(store)
        another.look(rules)
        with store.write(AT + 2) as writer:
            writer.change("a3bcdefg", "seen", seen=AT + 2)
        another.look(rules)
        await another.close()
    assert told.read_text() == "fix-auth question run it; now?\n"


class Logind(ServiceInterface):
    """As much of logind as a lock needs; there is none in a test."""

    def __init__(self) -> None:
        super().__init__("org.freedesktop.login1.Manager")
        self.read, self.write = os.pipe()
        self.asked: list[str] = []

    @method()
    def Inhibit(self, what: "s", who: "s", why: "s", mode: "s") -> "h":  # noqa: F821, N802, UP037
        self.asked = [what, who, why, mode]
        return self.write


async def test_the_machine_stays_awake_until_the_lock_is_closed(bus: Path) -> None:
    service = await MessageBus(f"unix:path={bus}/bus", negotiate_unix_fd=True).connect()
    logind = Logind()
    service.export("/org/freedesktop/login1", logind)
    await service.request_name("org.freedesktop.login1")
    awake = Awake()
    await awake.hold()
    await awake.hold()
    assert awake.held
    assert logind.asked == ["sleep", "terok", "a task works", "block"]
    os.close(logind.write)
    os.set_blocking(logind.read, False)
    with pytest.raises(BlockingIOError):
        os.read(logind.read, 1)
    awake.release()
    assert os.read(logind.read, 1) == b"", "nobody holds the other end"
    assert not awake.held
    service.disconnect()


async def test_without_logind_the_machine_sleeps_as_it_likes(bus: Path) -> None:
    awake = Awake()
    await awake.hold()
    assert not awake.held
    awake.release()
