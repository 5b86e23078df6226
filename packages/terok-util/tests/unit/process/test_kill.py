from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest
from terok_util import process


def test_group_and_child_are_gone_and_reaped() -> None:
    child = process.spawn(["sh", "-c", "sleep 73.5 & echo $!; wait"], stdout=process.PIPE)
    assert child.stdout is not None
    with child.stdout:
        grandchild = int(child.stdout.readline())
        process.kill_tree(child)
    assert child.returncode == -signal.SIGTERM
    with suppress(FileNotFoundError):  # an orphan's zombie is init's affair: it has no command line any more
        assert Path(f"/proc/{grandchild}/cmdline").read_bytes() == b""
    process.kill_tree(child)  # once more is no error


def test_deaf_process_is_killed_after_the_grace() -> None:
    child = process.spawn(["sh", "-c", "trap '' TERM; echo; while :; do sleep 0.1; done"], stdout=process.PIPE)
    assert child.stdout is not None
    with child.stdout:
        child.stdout.readline()
        started = time.monotonic()
        process.kill_tree(child, grace=0.3)
    assert 0.25 < time.monotonic() - started < 3
    assert child.returncode == -signal.SIGKILL


def test_by_process_id() -> None:
    child = process.spawn(["sleep", "74.5"])
    process.kill_tree(child.pid)
    assert child.wait(5) == -signal.SIGTERM
    process.kill_tree(child.pid)


@pytest.mark.parametrize("pid", [0, 1, -5])
def test_refuses_what_would_hit_everybody(pid: int) -> None:
    with pytest.raises(ValueError, match="refusing"):
        process.kill_tree(pid)
    with pytest.raises(ValueError, match="refusing"):
        process.kill_tree(os.getpid())


def test_child_in_our_own_group_does_not_take_us_along() -> None:
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(75)"])
    process.kill_tree(child)
    assert child.returncode == -signal.SIGTERM
