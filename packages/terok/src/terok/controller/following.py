"""Following one container: what its sandbox tells becomes facts about its task."""

from __future__ import annotations

import asyncio
import logging
import time
from dataclasses import replace
from typing import TYPE_CHECKING, Final

from terok_util import TerokError

from terok.controller.observing import facts_of
from terok.errors import UnknownTask
from terok.model.facts import Clearance, Process, Silence

if TYPE_CHECKING:
    from terok.integrations.sandbox import Sandbox
    from terok.model.facts import Fact
    from terok.store import Store

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
_REFRESHED: Final = (Process, Clearance, Silence)
"""Facts that are confirmed again and again: a new `at` alone says nothing new while somebody watches."""

_log = logging.getLogger(__name__)


class Follower:
    """Follows the container of one task until that has ended."""

    def __init__(self, store: Store, sandbox: Sandbox, task_id: str, container: str) -> None:
        self._store, self._sandbox = store, sandbox
        self._task, self._container = task_id, container
        self._told: dict[str, Fact | None] = {}
        self.pid = 0
        """The container's first process, once it is known."""

    async def run(self) -> None:
        """Record facts as they come; a feed that breaks off is silence, and tried again with growing pauses."""
        pause = FIRST_PAUSE
        while True:
            try:
                feed = self._sandbox.activity(self._container)
                async with feed:
                    async for activity in feed:
                        self.pid = activity.life.pid if activity.life is not None else 0
                        self._record(facts_of(activity, time.time()))
                        pause = FIRST_PAUSE
                return
            except UnknownTask:
                return
            except (TerokError, OSError, ValueError) as error:
                _log.warning("%s: %s", self._container, error)
                self._record({"silence": Silence(time.time(), "sandbox", str(error))})
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)

    def _record(self, facts: dict[str, Fact | None]) -> None:
        news = {name: fact for name, fact in facts.items() if not _alike(fact, self._told.get(name))}
        if news:
            with self._store.write() as writer:
                writer.observe(self._task, **news)
            self._told |= news


def _alike(fact: Fact | None, told: Fact | None) -> bool:
    if isinstance(fact, _REFRESHED) and type(fact) is type(told):
        return replace(fact, at=0.0) == replace(told, at=0.0)
    return fact == told
