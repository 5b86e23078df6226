"""Following one run of a container: what its sandbox tells becomes facts about its task."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from terok_util import TerokError

from terok.controller.observing import cost_of, facts_of, landed
from terok.errors import UnknownTask
from terok.model.facts import Clearance, Process, Silence
from terok.model.money import NEARLY
from terok.model.span import today

if TYPE_CHECKING:
    from terok.integrations.sandbox import Activity, BudgetFact, Sandbox
    from terok.model.facts import Fact
    from terok.model.task import Task
    from terok.store import Store

FIRST_PAUSE: Final = 1.0
LONGEST_PAUSE: Final = 60.0
UNHEARD: Final = 5.0
"""Seconds that a worker may be away, as when it is started anew, before what it said is doubted."""
_REFRESHED: Final = (Process, Clearance, Silence)
"""Facts that are confirmed again and again: a new `at` alone says nothing new while somebody watches."""

_log = logging.getLogger(__name__)


class Follower:
    """Follows the container of one run until that has ended; `on_push` is called when commits have reached the gate."""

    def __init__(self, store: Store, sandbox: Sandbox, task: Task, on_push: Callable[[], object]) -> None:
        self._store, self._sandbox, self._on_push = store, sandbox, on_push
        self._task, self._container = task.id, task.container
        self.run_began = task.started
        self.pid = 0
        """The container's first process, once it is known."""
        self._commits = frozenset[str]()
        self._warned: dict[tuple[str, str], list[Any]] = {}
        self._doubt: asyncio.TimerHandle | None = None

    async def run(self) -> None:
        """Record facts as they come; a feed that breaks off is silence, and tried again with growing pauses."""
        pause = FIRST_PAUSE
        try:
            while True:
                try:
                    async with self._sandbox.activity(self._container) as feed:
                        async for activity in feed:
                            self._take(activity)
                            pause = FIRST_PAUSE
                    return
                except UnknownTask:
                    return
                except (TerokError, OSError, ValueError) as error:
                    _log.warning("%s: %s", self._container, error)
                    self._silent(str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, LONGEST_PAUSE)
        finally:
            self._believe()

    def _take(self, activity: Activity) -> None:
        self._believe()
        if activity.unheard:
            names = " and ".join(sorted(activity.unheard))
            self._doubt = asyncio.get_running_loop().call_later(UNHEARD, self._silent, f"{names} does not answer")
        self.pid = activity.life.pid if activity.life is not None else 0
        self._record(facts_of(activity, time.time()), cost_of(activity))
        for near in activity.nearly_spent:
            self._warn(near)
        commits = landed(activity)
        if commits - self._commits:
            self._on_push()
        self._commits = commits

    def _warn(self, near: BudgetFact) -> None:
        """Record that a limit is nearly reached: once for all tasks that share it, until it is raised."""
        mark = [near.most, today(near.at) if near.whose == "day" else ""]
        if self._warned.get((near.whose, near.limit)) == mark:
            return
        self._warned[near.whose, near.limit] = mark
        with self._store.write() as writer:
            subject = {"task": self._task, "project": writer.task(self._task).project, "day": ""}[near.whose]
            key = f"nearly/{near.whose}/{subject}/{near.limit}"
            if writer.setting(key) != mark:
                writer.set(key, mark)
                told = {"whose": near.whose, "limit": near.limit, "used": near.used, "most": near.most}
                writer.event(self._task, NEARLY, **told)

    def _believe(self) -> None:
        if self._doubt is not None:
            self._doubt.cancel()
            self._doubt = None

    def _silent(self, text: str) -> None:
        try:
            self._record({"silence": Silence(time.time(), "sandbox", text)}, None)
        except TerokError as error:
            _log.warning("%s: %s", self._container, error)

    def _record(self, facts: dict[str, Fact | None], cost: float | None) -> None:
        """Record what is not recorded already, also by another process."""
        known = self._store.facts(self._task)
        news = {name: fact for name, fact in facts.items() if not _alike(fact, getattr(known, name))}
        spent = cost is not None and cost != self._store.task(self._task).cost
        if news or spent:
            with self._store.write() as writer:
                writer.observe(self._task, self.run_began, **news)
                if spent:
                    writer.change(self._task, "cost", cost=cost)


def _alike(fact: Fact | None, told: Fact | None) -> bool:
    if isinstance(fact, _REFRESHED) and type(fact) is type(told):
        return replace(fact, at=0.0) == replace(told, at=0.0)
    return fact == told
