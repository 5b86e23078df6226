"""Builds with a real Podman: what is cut short leaves nothing, and what has not changed is not made again."""

from __future__ import annotations

import json
import os
import signal
import subprocess
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest
from supervised import wait_for
from support import BASE, Shell

CUT_SHORT = """
install:
  run_as_root:
    - sleep 611; true
"""


@pytest.fixture
def demo(ready: Shell) -> Iterator[Callable[[str], int]]:
    """Change the demo agent by a file of the user's, which goes with the test."""
    path = Path(ready.environment["TEROK_ROOT"]) / "config/agents/demo.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    yield path.write_text
    path.unlink()
    end_sleeping()


def working(sh: Shell) -> list[dict[str, object]]:
    listed = json.loads(sh("podman", "ps", "--all", "--external", "--format", "json").out)
    # Of another test's container that is just being made there is no more than its storage either.
    return [one for one in listed if one["State"] == "storage" and "working-container" in "".join(one["Names"])]


def sleeping() -> list[int]:
    found = subprocess.run(["pgrep", "-u", str(os.getuid()), "-f", "^sleep 611|sleep 611; true$"], capture_output=True)
    return [int(pid) for pid in found.stdout.split()]


def end_sleeping() -> None:
    for pid in sleeping():
        with suppress(ProcessLookupError):  # one may end the others
            os.kill(pid, signal.SIGKILL)


@pytest.mark.timeout(400)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGKILL])
def test_a_build_that_is_cut_short_leaves_nothing(
    ready: Shell, base_image: str, demo: Callable[[str], int], number: signal.Signals
) -> None:
    """Containers, processes, files: with SIGKILL, which nobody sees coming, the next build removes them."""
    demo(CUT_SHORT)
    root = ready.environment["TEROK_ROOT"]
    files = Path(ready.environment.get("TEROK_EXECUTOR_STATE_DIR", f"{root}/state/executor")) / "build"
    argv = ["terok-executor", "build", "demo", "--base", BASE]
    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    build = subprocess.Popen(argv, env=ready.environment, stderr=subprocess.DEVNULL, start_new_session=True)
    signal.signal(signal.SIGINT, before)
    try:
        wait_for(sleeping, 100)
        assert working(ready) and files.exists()
        build.send_signal(number)
        assert build.wait(60) == (-9 if number is signal.SIGKILL else 128 + number)
    finally:
        build.kill()
        build.wait()
    if number is signal.SIGKILL:
        end_sleeping()
        demo("install: {run_as_root: []}\n")
        ready("terok-executor", "build", "demo", "--base", BASE, "--rebuild", timeout=600)
    assert working(ready) == []
    assert not files.exists()
    assert sleeping() == []
