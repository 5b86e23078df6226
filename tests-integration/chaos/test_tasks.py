"""Tasks in bad company: killed verbs, containers changed by hand, a Podman that hangs, two terminals at once."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from product import COMMIT, LEFT, tree
from support import Shell
from terok.stub import Pause, Script, running_stub

Provider = Callable[..., None]


@pytest.fixture
def provider(base_image: str, real_key: str, upstream: Callable[[str, str], None]) -> Iterator[Provider]:
    """Start a provider that plays a script, and point the demo agent at it."""
    with ExitStack() as stack:

        def start(*commands: str, pause: Pause | None = None) -> None:
            script = Script(commands or (COMMIT, LEFT))
            stub = stack.enter_context(running_stub(script, api_key=real_key, pause=pause))
            upstream("demo", stub.url)

        yield start


def one(sh: Shell, project: str, *words: str) -> dict:
    (row,) = sh("terok", "task", "list", f"p:{project}", *words, "--json").json()
    return row


def finished(sh: Shell, project: str) -> tuple[str, Path]:
    """Run a task to its end; returns its id and its workspace."""
    sh("terok", "task", "run", project, "Add a line", timeout=600)
    task = one(sh, project)["id"]
    return task, Path(sh("terok", "task", "show", task, "--json").json()["directory"]) / "workspace"


def killed(sh: Shell, seconds: float, *words: str) -> int:
    """Start a verb and kill it and nothing else after some time; returns its exit code."""
    with subprocess.Popen(
        words, env=sh.environment, cwd=sh.cwd, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
        return process.wait()


@pytest.mark.parametrize("seconds", [0.15, 0.4, 0.8, 1.4])
def test_a_kill_in_any_verb_loses_nothing(ready: Shell, provider: Provider, project: str, seconds: float) -> None:
    provider()
    task, workspace = finished(ready, project)
    before = tree(workspace)
    for verb in ("delete", "restore", "restart", "stop", "archive"):
        killed(ready, seconds, "terok", "task", verb, task)
    ready("terok", "controller", "stop", code=None)
    for _ in range(3):  # whatever was left half done is finished, or says what to do
        ready("terok", "task", "restore", task, code=None)
        ready("terok", "task", "stop", task, code=None)
    row = one(ready, project)
    assert row["id"] == task
    after = tree(workspace)
    assert {name: after.get(name) for name in before if not name.startswith(".git/")} == {
        name: text for name, text in before.items() if not name.startswith(".git/")
    }
    ready("terok", "task", "restart", task)
    ready("terok", "task", "wait", task, "--until", "over", "--timeout", "120", code=None)
    assert one(ready, project)["process"] in ("exited", "up")


def test_a_start_that_is_killed_can_be_made_again(ready: Shell, provider: Provider, project: str) -> None:
    provider()
    for seconds in (0.5, 0.9, 1.3, 1.8):
        killed(ready, seconds, "terok", "task", "run", "-d", project, "Add a line")
    ready("terok", "controller", "stop", code=None)
    rows = ready("terok", "task", "list", f"p:{project}", "--json").json()
    for row in rows:
        if row["process"] != "up" and row["word"] != "done":
            ready("terok", "task", "restart", row["id"], code=None, timeout=300)
    if rows:
        ready("terok", "task", "wait", *(row["id"] for row in rows), "--until", "review", "--timeout", "120")
    assert all(row["exit_code"] == 0 for row in ready("terok", "task", "list", f"p:{project}", "--json").json())


def test_a_container_that_is_removed_by_hand(ready: Shell, provider: Provider, project: str) -> None:
    provider()
    task, workspace = finished(ready, project)
    before, container = tree(workspace), one(ready, project)["container"]
    ready("podman", "rm", "-f", "-t", "0", container)
    assert tree(workspace) == before
    ready("terok", "task", "followup", task, "Add another line", timeout=300)
    row = one(ready, project)
    assert (row["exit_code"], row["process"]) == (0, "exited")
    after = tree(workspace)
    assert {"untracked.txt", "kept.o"} <= set(after)
    log = ready("podman", "logs", container).text
    assert "workspace kept from an earlier start" in log
    assert "> Add another line" in ready("terok", "task", "logs", task).out


def test_a_container_that_is_renamed_by_hand_is_still_there(ready: Shell, provider: Provider, project: str) -> None:
    pause = Pause()
    provider(pause=pause)
    ready("terok", "task", "run", "-d", project, "Add a line", timeout=600)
    assert pause.reached(120)
    row = one(ready, project)
    other = f"{row['container']}-mine"
    ready("podman", "rename", row["container"], other)
    try:
        refused = ready("terok", "task", "stop", row["id"], code=1)
        assert f"was renamed to {other}" in refused.err
        assert f"podman rename {other} {row['container']}" in refused.err
        again = ready("terok", "task", "restart", row["id"], code=73)
        assert "runs already" in again.err, "a second container for the same workspace"
    finally:
        ready("podman", "rename", other, row["container"])
        pause.resume()
    ready("terok", "task", "stop", row["id"])


def test_a_podman_that_hangs_is_doubt_and_not_an_end(
    ready: Shell, provider: Provider, project: str, tmp_path: Path
) -> None:
    pause = Pause()
    provider(pause=pause)
    ready("terok", "task", "run", "-d", project, "Add a line", timeout=600)
    assert pause.reached(120)
    task = one(ready, project)["id"]
    fake = tmp_path / "podman"
    fake.write_text("#!/bin/sh\nkill -STOP $$\n")
    fake.chmod(0o755)
    hanging = {"PATH": f"{tmp_path}{os.pathsep}{ready.environment['PATH']}"}
    began = time.monotonic()
    listed = ready("terok", "task", "list", f"p:{project}", "--json", env=hanging, timeout=10).json()
    assert [row["id"] for row in listed] == [task], "a list asks no Podman"
    assert time.monotonic() - began < 10
    refused = ready("terok", "task", "delete", task, env=hanging, code=1, timeout=120)
    assert f"task {task} may still run" in refused.err
    row = one(ready, project)
    assert (row["trashed"], row["ended"]) == (None, None)
    pause.resume()
    ready("terok", "task", "delete", task)
    ready("terok", "undo")


def test_two_terminals_at_once(ready: Shell, provider: Provider, project: str) -> None:
    provider()
    task, workspace = finished(ready, project)
    before = tree(workspace)
    with ThreadPoolExecutor(4) as pool:
        verb = ("terok", "task", "delete", task)
        codes = list(pool.map(lambda _: ready(*verb, code=None).code, range(4)))
    assert 0 in codes
    assert set(codes) <= {0, 1, 2, 73}
    assert not workspace.exists()
    ready("terok", "task", "restore", task)
    assert tree(workspace) == before


def test_a_closed_terminal_leaves_the_task_running(ready: Shell, provider: Provider, project: str) -> None:
    pause = Pause()
    provider(pause=pause)
    with subprocess.Popen(
        ["terok", "task", "run", project, "Add a line"],
        env=ready.environment,
        cwd=ready.cwd,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        assert pause.reached(300)
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 128 + signal.SIGHUP
    row = one(ready, project)
    assert (row["word"], row["process"]) == ("working", "up")
    pause.resume()
    ready("terok", "task", "wait", row["id"], "--until", "review", "--timeout", "90")
    assert one(ready, project)["exit_code"] == 0, "recorded although nobody followed it"
