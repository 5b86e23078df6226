from __future__ import annotations

import asyncio
import os
import resource
import time
from pathlib import Path

import pytest
from terok_util import process


def has_ended(pid: int) -> bool:
    """An orphan's zombie is init's affair: it has no command line any more."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_bytes() == b""
    except OSError:
        return True


async def test_cancelling_ends_and_reaps_the_tree(tmp_path: Path) -> None:
    script = f"sleep 72.5 & echo $! > {tmp_path}/pid; wait"
    task = asyncio.create_task(process.run_async(["sh", "-c", script], timeout=3600))
    while not (tmp_path / "pid").exists() or not (tmp_path / "pid").read_text():
        await asyncio.sleep(0.01)
    grandchild = int((tmp_path / "pid").read_text())
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(task, 20)
    assert has_ended(grandchild)
    assert Path(f"/proc/self/task/{os.getpid()}/children").read_text() == ""


async def test_children_run_side_by_side_and_the_loop_goes_on() -> None:
    started = time.monotonic()
    ticks = 0

    async def tick() -> None:
        nonlocal ticks
        while True:
            await asyncio.sleep(0.02)
            ticks += 1

    ticking = asyncio.create_task(tick())
    done = await asyncio.gather(*(process.run_async(["sleep", "0.4"], timeout=10) for _ in range(5)))
    ticking.cancel()
    assert [one.returncode for one in done] == [0] * 5
    assert time.monotonic() - started < 1.9
    assert ticks > 3


def test_a_child_started_ahead_of_its_work_is_bounded_and_fed_later() -> None:
    child = process.spawn(["cat"], stdin=process.PIPE, stdout=process.PIPE, stderr=process.PIPE)
    assert os.getpgid(child.pid) == child.pid
    process.limit(child, memory=64 * 1024 * 1024, cpu=5)
    assert resource.prlimit(child.pid, resource.RLIMIT_DATA) == (64 * 1024 * 1024,) * 2
    done = process.attend(child, timeout=10, input=b"round trip")
    assert (done.stdout, done.returncode) == (b"round trip", 0)
    with pytest.raises(process.ToolNotFound):
        process.spawn(["no-such-tool"])
