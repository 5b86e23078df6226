"""Faults that need real containers: what sickbay says of them, and how it mends them."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable, Iterator
from os import kill
from pathlib import Path
from signal import SIGKILL

import pytest
from product import make_project, remove_containers
from support import Shell
from terok.stub import Pause, Script, running_stub

MANY = 20


@pytest.fixture
def task(
    ready: Shell, repository: Path, base_image: str, real_key: str, upstream: Callable[[str, str], None]
) -> Iterator[str]:
    """Give a task that works until the test ends."""
    pause = Pause()
    with running_stub(Script(("true",)), api_key=real_key, pause=pause) as provider:
        upstream("demo", provider.url)
        project = make_project(ready, repository)
        task = ready("terok", "task", "run", "-d", project, "Work", "--json", timeout=600).json()["id"]
        assert pause.reached(120)
        yield task
        remove_containers(ready, project)


def alarms(ready: Shell, *words: str) -> dict[str, str]:
    """Return what is wrong, by text: the check that has found it."""
    found = ready("terok", "sickbay", *words, "--json", code=None).json()
    return {one["text"]: one["check"] for one in found["findings"] if one["level"] in ("warn", "error")}


def test_containers_that_somebody_has_laid_hands_on(ready: Shell, task: str) -> None:
    shown = ready("terok", "task", "show", task, "--json").json()
    name, project = shown["container"], shown["project"]
    healthy = alarms(ready)
    assert not [check for check in healthy.values() if check.startswith(("task ", "container ", "controller"))], healthy
    inside = ready("terok", "sickbay", project, task, "--json", code=None).json()["findings"]
    asked = {one["check"].partition(" ")[0]: one["level"] for one in inside}
    assert asked.items() >= {"inside": "ok", "environment": "ok", "mount": "ok"}.items(), inside

    other = f"{name}-mine"
    ready("podman", "rename", name, other)
    said = alarms(ready)
    assert any(f"was renamed to {other}" in text for text in said), said
    said = alarms(ready, "--fix")
    assert not any("renamed" in text for text in said), said
    assert ready("podman", "ps", "--format", "{{.Names}}", "--filter", f"name={name}").out.strip() == name

    status = ready("terok-sandbox", "supervisor", "status", name, "--json").json()
    forks = ready("terok-sandbox", "supervisor", "status", "--json").json()
    kill(forks["pid"], SIGKILL)
    kill(status["pid"], SIGKILL)
    said = alarms(ready)
    assert any("without its wall" in text for text in said), said
    said = alarms(ready, "--fix")
    assert not any("wall" in text for text in said), said
    assert ready("terok-sandbox", "supervisor", "status", name, "--json").json()["prepared"]

    ready("podman", "rm", "-f", "-t", "0", name)
    ready("terok", "controller", "stop", code=None)
    said = alarms(ready)
    assert any("was removed by somebody while it ran" in text for text in said), said
    said = alarms(ready, "--fix")
    assert not any("removed by somebody" in text for text in said), said
    assert ready("terok", "task", "show", task, "--json").json()["process"] == "gone"


def test_twenty_tasks_are_looked_at_in_two_seconds(ready: Shell, base_image: str) -> None:
    names = [f"it-{secrets.token_hex(4)}" for _ in range(MANY)]
    for name in names:
        ready("terok-sandbox", "run", "--detach", "--name", name, base_image, "sleep", "600")
    try:
        began = time.monotonic()
        found = ready("terok", "sickbay", "--json", code=None).json()
        whole = time.monotonic() - began
        print(f"sickbay: {found['seconds']} s, command {whole:.3f} s")
        assert {f"container {name}" for name in names} <= {
            f"container {one['subject']}" for one in found["findings"] if one["level"] == "ok"
        }
        assert not [one for one in found["findings"] if "did not answer" in one["text"]]
    finally:
        ready("podman", "rm", "-f", "-t", "0", *names)
