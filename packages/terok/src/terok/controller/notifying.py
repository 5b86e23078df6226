"""Telling a person about tasks: every change once, by the desktop and by a command of theirs."""

from __future__ import annotations

import asyncio
import logging
import os
from contextlib import suppress
from typing import TYPE_CHECKING, Final

from terok_util import TerokError
from terok_util.process import run_async

from terok.desktop.notices import notice_of
from terok.errors import UnknownTask
from terok.model.money import NEARLY
from terok.model.words import ATTENTION

if TYPE_CHECKING:
    from terok.controller.rules import Rules
    from terok.desktop.bubbles import Bubbles
    from terok.desktop.notices import Notice
    from terok.model.task import Task
    from terok.store import Store

TOLD: Final = "notified"
"""The setting with the number of the last event that was looked at."""
COMMAND_SECONDS: Final = 30.0
AT_A_TIME: Final = 500

_log = logging.getLogger(__name__)


class Notifying:
    """Looks at new events and tells what is worth it."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._bubbles: Bubbles | None = None
        self._reached: int | None = None
        self._turn = asyncio.Lock()
        self._running: set[asyncio.Task[None]] = set()

    def look(self, rules: Rules) -> None:
        """Tell what has happened since the last look; also a look of another controller before this one.

        Where it stands is recorded before anything is shown: who is killed in between has not told one, never told
        one twice.
        """
        last = self._store.last_seq()
        since = self._store.setting(TOLD) if self._reached is None else self._reached
        if since == last:
            return
        events = self._store.events_after(since, AT_A_TIME) if since is not None else []
        reached = events[-1].seq if len(events) == AT_A_TIME else last
        notices = []
        states = {event.task: event for event in events if event.kind == "state"}
        for event in (*states.values(), *(event for event in events if event.kind == NEARLY)):
            with suppress(UnknownTask):
                task = self._store.task(event.task, now=float("-inf"))
                notices.append((task, notice_of(event, task, rules.states)))
        self._reached = reached
        if reached < last:
            asyncio.get_running_loop().call_soon(self.look, rules)
        if since is None or any(notice is not None for _, notice in notices):
            with self._store.write() as writer:
                writer.set(TOLD, reached)
        for task, notice in notices:
            self._begin(task, notice, rules)

    async def close(self) -> None:
        """End what is under way."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        if self._bubbles is not None:
            await self._bubbles.close()

    def _begin(self, task: Task, notice: Notice | None, rules: Rules) -> None:
        running = asyncio.create_task(self._tell(task, notice, rules))
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _tell(self, task: Task, notice: Notice | None, rules: Rules) -> None:
        if notice is not None and rules.command:
            try:
                environment = {**os.environ, **notice.variables(task)}
                await run_async(rules.command, timeout=COMMAND_SECONDS, env=environment)
            except TerokError as error:
                _log.warning("the command of notify: %s", error.message)
        if not rules.desktop:
            return
        async with self._turn:
            # The sandbox's own notifier asks for clearance, with its answers.
            if notice is None or notice.word == task.word == "clearance":
                if self._bubbles is not None and (not task.unread or task.word not in ATTENTION):
                    await self._bubbles.withdraw(task.id)
                return
            if self._bubbles is None:
                from terok.desktop.bubbles import Bubbles

                self._bubbles = Bubbles(self._seen)
            await self._bubbles.show(notice)

    def _seen(self, task_id: str) -> None:
        with self._store.write() as writer:
            writer.change(task_id, "seen", seen=writer.at)
