"""Stays with a running container: prints what it says, and ends it when its time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from terok_util import TerokError, safe_text

from terok_executor.integrations.sandbox import EngineTimeout

if TYPE_CHECKING:
    from terok_executor.integrations.sandbox import Sandbox

TIMED_OUT = 124
LAUNCH_SLACK = 180.0
"""Seconds beyond the agent's own limit for the clone before it and the push after it."""
STOP_SECONDS = 20
WAIT_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a container ended; `timed_out` if the host had to end it, or the agent's own limit did."""

    exit_code: int
    timed_out: bool


def follow(sandbox: Sandbox, name: str, on_line: Callable[[str], None], *, timeout: float) -> Outcome:
    """Hand the container's output over line by line until it ends.

    After `timeout` seconds and some slack it is stopped and counts as timed out. Any exception here, Ctrl-C
    included, stops it too and passes.
    """
    container = sandbox.runtime.container(name)
    deadline = time.monotonic() + timeout + LAUNCH_SLACK
    try:
        with stopped_on_failure(sandbox, name):
            code = container.follow_logs(
                lambda line: on_line(safe_text(line, limit=16384)), timeout=max(1.0, deadline - time.monotonic())
            )
            if code is None:
                code = container.wait(timeout=max(WAIT_SECONDS, deadline - time.monotonic()))
    except EngineTimeout:
        return Outcome(TIMED_OUT, timed_out=True)
    return Outcome(code, timed_out=code == TIMED_OUT)


@contextmanager
def stopped_on_failure(sandbox: Sandbox, name: str) -> Iterator[None]:
    """Stop the container, with time for its commits to reach the gate, if anything is raised, Ctrl-C included."""
    try:
        yield
    except BaseException:
        with suppress(TerokError):
            sandbox.runtime.container(name).stop(timeout=STOP_SECONDS)
        raise
