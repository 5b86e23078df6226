from __future__ import annotations

import os
import sys
import threading
import time
from pathlib import Path

import pytest
from terok_util import FileError, FileLock, LockTimeout, process

HOLD = """
import sys
from terok_util import FileLock
with FileLock(sys.argv[1]):
    print("held", flush=True)
    sys.stdin.read()
"""


def test_another_process_is_waited_for_and_named(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    child = process.spawn([sys.executable, "-c", HOLD, path], stdin=process.PIPE, stdout=process.PIPE)
    assert child.stdout is not None
    assert child.stdin is not None
    try:
        assert child.stdout.readline() == b"held\n"
        started = time.monotonic()
        with pytest.raises(LockTimeout, match=f"locked by process {child.pid}"), FileLock(path, timeout=0.2):
            pass
        assert 0.15 < time.monotonic() - started < 2
        with pytest.raises(LockTimeout), FileLock(path, timeout=0):
            pass
        threading.Timer(0.2, child.stdin.close).start()
        with FileLock(path, timeout=10):
            assert path.read_text() == f"{os.getpid()}\n"
    finally:
        child.stdout.close()
        process.kill_tree(child)


def test_killed_holder_releases(tmp_path: Path) -> None:
    child = process.spawn([sys.executable, "-c", HOLD, tmp_path / "lock"], stdin=process.PIPE, stdout=process.PIPE)
    assert child.stdout is not None
    assert child.stdin is not None
    with child.stdout, child.stdin:
        child.stdout.readline()
        process.kill_tree(child, grace=0)
    with FileLock(tmp_path / "lock", timeout=1):
        pass


def test_threads_exclude_each_other(tmp_path: Path) -> None:
    inside: list[int] = []
    worst: list[int] = []

    def work() -> None:
        for _ in range(10):
            with FileLock(tmp_path / "lock"):
                inside.append(1)
                worst.append(len(inside))
                time.sleep(0.001)
                inside.pop()

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(worst) == 1
    assert len(worst) == 40


def test_released_after_an_error_and_not_reentrant(tmp_path: Path) -> None:
    lock = FileLock(tmp_path / "lock", timeout=0)
    with pytest.raises(ZeroDivisionError), lock:
        raise ZeroDivisionError
    with lock, pytest.raises(FileError, match="already held"), lock:
        pass
    (tmp_path / "link").symlink_to(tmp_path / "lock")
    with pytest.raises(FileError, match="cannot open lock"), FileLock(tmp_path / "link"):
        pass
