"""Calls side by side, with one deadline for all: none waits for another, and nobody waits for one that hangs."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Answer(Generic[T]):
    """The end of a call: its value, its error, or neither if it has not `answered` in time."""

    value: T | None = None
    error: Exception | None = None
    answered: bool = True


def at_once(calls: Iterable[Callable[[], T]], *, seconds: float, width: int = 16) -> list[Answer[T]]:
    """Make the calls in `width` threads and return their ends, in their order, after `seconds` at the latest.

    A call that has not ended by then goes on in a thread that does not keep the program from ending.
    """
    waiting = deque(enumerate(calls))
    ends: list[Answer[T]] = [Answer(answered=False)] * len(waiting)
    missing = threading.Semaphore(0)
    deadline = time.monotonic() + seconds
    count = len(waiting)

    def work() -> None:
        while True:
            try:
                place, call = waiting.popleft()
            except IndexError:
                return
            try:
                ends[place] = Answer(call())
            except Exception as error:  # noqa: BLE001 - handed to whoever asked for all of them
                ends[place] = Answer(error=error)
            missing.release()

    for _ in range(min(width, count)):
        threading.Thread(target=work, daemon=True).start()
    for _ in range(count):
        if not missing.acquire(timeout=max(0.0, deadline - time.monotonic())):
            break
    waiting.clear()
    return [*ends]
