"""The children of the controller: a few at a time, each for one thing and with a limit on its time."""

from __future__ import annotations

import asyncio
import json
import logging
import sys
from typing import TYPE_CHECKING, Any, Final, TypeAlias

from terok_util import TerokError, last_line
from terok_util.process import ProcessFailed, run_async

if TYPE_CHECKING:
    from collections.abc import Callable

AT_ONCE: Final = 4
LIMITS: Final = {"start": 3600.0, "resume": 3600.0, "recover": 3600.0, "deliver": 900.0, "check": 7200.0}
"""Seconds for what may take long: an image may have to be built first."""
LIMIT: Final = 300.0
MAX_OUTPUT: Final = 1024 * 1024

_log = logging.getLogger(__name__)
Then: TypeAlias = "Callable[[list[Any] | None], None]"


class Children:
    """Runs `terok.controller.act`. What is said to run twice at once runs once."""

    def __init__(self, on_change: Callable[[], None]) -> None:
        self._on_change = on_change
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._tasks: dict[tuple[str, ...], asyncio.Task[Any]] = {}

    @property
    def running(self) -> frozenset[tuple[str, ...]]:
        """The words of those that run or wait for a place."""
        return frozenset(self._tasks)

    def start(self, *words: str, then: Then | None = None) -> bool:
        """Have a child do something, unless one does; returns whether it is a new one.

        `then` gets a list with its result, or None if it failed.
        """
        if words in self._tasks:
            return False
        task = asyncio.create_task(self._run(words, then))
        self._tasks[words] = task
        task.add_done_callback(lambda _: self._ended(words))
        return True

    async def close(self) -> None:
        """End all of them; what they were at is taken up again by the next controller."""
        for task in self._tasks.values():
            task.cancel()
        await asyncio.gather(*self._tasks.values(), return_exceptions=True)

    async def _run(self, words: tuple[str, ...], then: Then | None) -> None:
        async with self._slots:
            result = None
            try:
                argv = [sys.executable, "-P", "-m", "terok.controller.act", *words]
                done = await run_async(argv, timeout=LIMITS.get(words[0], LIMIT), max_output=MAX_OUTPUT)
                result = json.loads(done.stdout)
            except ProcessFailed as error:
                _log.warning("%s: %s", " ".join(words), last_line(error.completed.stderr))
            except (TerokError, ValueError) as error:
                _log.warning("%s: %s", " ".join(words), error)
            if then is not None:
                then(result)

    def _ended(self, words: tuple[str, ...]) -> None:
        task = self._tasks.pop(words)
        if not task.cancelled() and (error := task.exception()) is not None:
            _log.error("%s failed", " ".join(words), exc_info=error)
        self._on_change()
