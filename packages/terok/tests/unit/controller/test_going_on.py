"""Which runs are taken up again: those that were cut off, and those that a provider's limit has ended."""

from __future__ import annotations

import asyncio
import os
import time

import pytest
from terok.controller import processor
from terok.controller.alarm import Alarm
from terok.controller.interruptions import RESUMING, may_resume, was_cut_off
from terok.controller.limits import MARGIN, WAITED, may_wait, wait_for_reset
from terok.model.facts import Calls
from terok.model.task import Event, Task

NOW = 1_000_000.0
HEADLESS = Task("a", "web", "n", "demo", "headless", NOW - 99, started=NOW - 90)
LIMITED = HEADLESS._replace(ended=NOW - 5, exit_code=1, word="limit")
CALLS = Calls(NOW - 9, "vault", 0, NOW - 10, NOW - 9, 429, "acme", NOW + 600)


@pytest.mark.parametrize(
    ("task", "exit_code", "expected"),
    [
        *((HEADLESS, code, True) for code in (None, 129, 137, 143, 255)),
        *((HEADLESS, code, False) for code in (0, 1, 2, 124, 130)),
        *((HEADLESS._replace(mode=mode), code, True) for mode in ("interactive", "web") for code in (0, 1, 137)),
        (HEADLESS._replace(desired="stopped"), 137, False),
        (HEADLESS._replace(ended=NOW), 137, False),
    ],
)
def test_what_a_logout_or_a_crash_has_ended(task: Task, exit_code: int | None, expected: bool) -> None:
    assert was_cut_off(task, exit_code) is expected


def test_a_task_that_falls_over_again_and_again_stays_down() -> None:
    def events(*ages: float) -> list[Event]:
        return [Event(1, NOW - age, "a", RESUMING, {}) for age in ages] + [Event(2, NOW, "a", "state", {})]

    assert may_resume(events(5, 60), NOW)
    assert not may_resume(events(5, 60, 3600), NOW)
    assert may_resume(events(5, 60, 90_000), NOW)


@pytest.mark.parametrize(
    ("task", "calls", "allowed", "expected"),
    [
        (LIMITED, CALLS, 3600, NOW + 600 + MARGIN),
        (LIMITED, CALLS, 599, None),
        (LIMITED, CALLS, 0, None),
        (LIMITED, CALLS.__class__(NOW, "vault", reset_at=NOW - 1), 3600, None),
        (LIMITED, CALLS.__class__(NOW, "vault"), 3600, None),
        (LIMITED, None, 3600, None),
        (LIMITED._replace(word="failed"), CALLS, 3600, None),
        (LIMITED._replace(ended=None), CALLS, 3600, None),
        (LIMITED._replace(mode="interactive"), CALLS, 3600, None),
        (LIMITED._replace(desired="stopped"), CALLS, 3600, None),
        (LIMITED._replace(project="api"), CALLS, 3600, None),
    ],
)
def test_who_waits_for_a_limit(task: Task, calls: Calls | None, allowed: float, expected: float | None) -> None:
    row = wait_for_reset(task, calls, {"web": allowed}, NOW)
    assert (row.not_before if row is not None else None) == expected


def test_nobody_waits_for_ever() -> None:
    waited = [Event(1, NOW, "a", WAITED, {})]
    assert may_wait(waited * 4)
    assert not may_wait(waited * 5)


def test_work_that_only_the_processor_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, used = [100.0], {1: 50.0, 2: None}
    monkeypatch.setattr(processor, "used_seconds", used.get)
    monkeypatch.setattr(processor.time, "monotonic", lambda: clock[0])
    look = processor.Processor()
    assert not look.look("a", 1), "what was used before the first look says nothing"
    clock[0] += 10
    assert not look.look("a", 1)
    clock[0] += 10
    used[1] += 0.4
    assert not look.look("a", 1), "less than a twentieth of a processor"
    clock[0] += 10
    used[1] += 0.6
    assert look.look("a", 1)
    assert not look.look("b", 2), "a container without a control group"
    look.forget("a")
    clock[0] += 10
    used[1] += 9
    assert not look.look("a", 1)


def test_a_process_outside_of_a_container_has_no_group_of_its_own() -> None:
    assert processor.used_seconds(os.getpid()) is None
    assert processor.used_seconds(2**22 + 1) is None


async def test_an_alarm_rings_at_its_time_and_once() -> None:
    rung: asyncio.Queue[float] = asyncio.Queue()
    alarm = Alarm(lambda: rung.put_nowait(time.time()))
    try:
        for when in (0.0, time.time() - 5, time.time() + 0.05):
            alarm.set(when)
            async with asyncio.timeout(10):
                assert await rung.get() >= when
        alarm.set(time.time() + 0.02)
        alarm.set(None)
        alarm.set(time.time() + 3600)
        alarm.set(time.time() + 0.05)
        async with asyncio.timeout(10):
            await rung.get()
        assert rung.empty()
    finally:
        alarm.close()
