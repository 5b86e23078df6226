from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator

import pytest
from terok_sandbox.netns.enter import enter


@pytest.fixture
def namespace() -> Iterator[int]:
    """A descriptor of a network namespace of its own, owned by a user namespace of its own."""
    process = subprocess.Popen(["unshare", "-Urn", "sleep", "300"])
    mine = os.stat("/proc/self/ns/net").st_ino
    deadline = time.monotonic() + 5
    while os.stat(f"/proc/{process.pid}/ns/net").st_ino == mine:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    descriptor = os.open(f"/proc/{process.pid}/ns/net", os.O_RDONLY)
    yield descriptor
    os.close(descriptor)
    process.kill()
    process.wait()


@pytest.fixture
def inside(namespace: int) -> Callable[[Callable[[], str]], str]:
    """Run a function in a child inside the namespace and return its text."""

    def run(work: Callable[[], str]) -> str:
        out, into = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                enter(namespace)
                told = work()
            except Exception as error:  # noqa: BLE001 - told to the parent
                told = f"{type(error).__name__}: {error}"
            os.write(into, told.encode())
            os._exit(0)
        os.close(into)
        with os.fdopen(out) as reader:
            told = reader.read()
        os.waitpid(child, 0)
        return told

    return run
