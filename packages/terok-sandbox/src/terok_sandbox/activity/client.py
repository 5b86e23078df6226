"""The following side of a feed: one container's facts from its two workers and this host, as one changing snapshot."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, Final, Self

from terok_util import TerokError

from terok_sandbox.activity.state import HOST, Activity, Part
from terok_sandbox.shield.control_client import ask, connect
from terok_sandbox.shield.protocol import decode, encode
from terok_sandbox.values.facts import Fact, Life, fact_from_json

CONNECT_TIMEOUT: Final = 3.0
FIRST_SNAPSHOT: Final = 5.0
"""Seconds that workers have to answer before the first snapshot is taken without them."""
MAX_LINE: Final = 4 * 1024 * 1024
MAX_NEWS: Final = 1024
"""News kept for a reader that is slow; the oldest are dropped, and what they led to is in the snapshot."""
_FIRST_BACKOFF: Final = 0.05
_LONGEST_BACKOFF: Final = 10.0

Look = Callable[[], list[Fact]]
"""Finds out, blocking, what the host itself knows: a `Life` and the workers."""


class ActivityFeed:
    """The activity of one container: `read` it once, or follow it.

    To follow, use it as an asynchronous context manager and iterate it: each change is an `Activity`.

    A reader that is slow gets fewer snapshots, never older ones: what it missed is in the next. A worker that is
    started anew is followed again, without a look at the clock while nothing happens. The iteration ends with the
    container (one that is started again is followed anew); before that, only a supervisor that is gone makes it try
    again, with growing pauses.

    `sockets` are the feeds of the workers by name; one event loop.
    """

    def __init__(self, container: str, sockets: Mapping[str, Path], look: Look) -> None:
        self._sockets = dict(sockets)
        self._look = look
        self._looking = asyncio.Lock()
        self._now = Activity(container, unheard=frozenset(self._sockets))
        self._news: list[Fact] = []
        self._number = 0
        self._changed = asyncio.Event()
        self._heard = asyncio.Event()
        self._over = False
        self._tasks: list[asyncio.Task[None]] = []

    def read(self) -> Activity:
        """Return a snapshot without following; workers that do not answer are `unheard`."""
        host = Part(HOST)
        for number, fact in enumerate(self._look(), 1):
            host = host.add(number, fact)
        parts, unheard = {HOST: host}, set()
        for name, path in self._sockets.items():
            try:
                parts[name] = read_snapshot(ask(path, "activity", timeout=CONNECT_TIMEOUT))
            except (OSError, ValueError, TerokError):
                unheard.add(name)
        return Activity(self._now.container, parts, frozenset(unheard))

    @property
    def now(self) -> Activity:
        """The newest snapshot; its `news` are empty."""
        return self._now

    async def __aenter__(self) -> Self:
        """Begin to follow, and wait for the first snapshot."""
        await self._look_around()
        if not self._over:
            self._tasks = [asyncio.create_task(self._follow(name, path)) for name, path in self._sockets.items()]
            for task in self._tasks:
                task.add_done_callback(lambda _: self._changed.set())
            with suppress(TimeoutError):
                async with asyncio.timeout(FIRST_SNAPSHOT):
                    await self._heard.wait()
        return self

    async def __aexit__(self, *_: object) -> None:
        """Follow no longer."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def __aiter__(self) -> Self:
        """Iterate the snapshots, the present one first."""
        self._changed.set()
        return self

    async def __anext__(self) -> Activity:
        """Wait for a change and return the snapshot with it."""
        if self._over and not self._changed.is_set():
            raise StopAsyncIteration
        await self._changed.wait()
        self._changed.clear()
        for task in self._tasks:
            if task.done():
                task.result()  # a fault of ours is not to look like silence
        news, self._news = tuple(self._news), []
        return replace(self._now, news=news)

    async def _follow(self, name: str, path: Path) -> None:
        backoff = 0.0
        while not self._over:
            heard = False
            with suppress(OSError, ValueError, TerokError):
                async for fields in self._lines(path):
                    heard = True
                    await self._take(name, fields)
            # Whoever was heard is back behind the same listener soon.
            backoff = 0.0 if heard else min(max(_FIRST_BACKOFF, 2 * backoff), _LONGEST_BACKOFF)
            self._publish(unheard=self._now.unheard | {name})
            await self._look_around()
            if not self._over:
                await asyncio.sleep(backoff)

    async def _lines(self, path: Path) -> AsyncIterator[dict[str, Any]]:
        """Yield the snapshots and facts of one worker until the connection ends."""
        reader, writer = await asyncio.open_unix_connection(sock=connect(path, timeout=CONNECT_TIMEOUT), limit=MAX_LINE)
        request = encode("activity", follow=True)
        try:
            writer.write(request)
            while line := await reader.readline():
                kind, fields = decode(line, limit=MAX_LINE)
                if kind == "error":
                    return
                if kind == "lost":
                    writer.write(request)
                elif kind in ("ok", "fact"):
                    yield fields
        finally:
            writer.close()

    async def _take(self, name: str, fields: dict[str, Any]) -> None:
        """Take in what a worker says: a snapshot, or one fact."""
        if "facts" in fields:
            await self._settle(name, read_snapshot(fields))
            return
        number, fact = read_fact(fields)
        if fact is not None:
            part = self._now.parts.get(name, Part()).add(number, fact)
            self._publish({name: part}, news=[fact])

    async def _settle(self, name: str, part: Part) -> None:
        """Put a worker's snapshot in the place of what was known from it."""
        known = self._now.parts.get(name, Part())
        told = set(known.entries.values()) if known.run == part.run else set()
        news = [fact for number, fact in part.facts if (number, fact) not in told]
        self._publish({name: part}, unheard=self._now.unheard - {name}, news=news)
        worker = self._now.workers.get(name)
        if (known.run and known.run != part.run) or (worker is not None and worker.state != "up"):
            await self._look_around()

    async def _look_around(self) -> None:
        """Take in what the host knows."""
        async with self._looking:
            if self._over:
                return
            part = self._now.parts.get(HOST, Part(HOST))
            news = []
            for fact in await asyncio.to_thread(self._look):
                known = part.entries.get(fact.key)
                if known is None or replace(known[1], at=fact.at) != fact:
                    self._number += 1
                    part = part.add(self._number, fact)
                    news.append(fact)
            self._over = any(isinstance(fact, Life) and fact.over for _, fact in part.facts)
            if self._over:
                self._heard.set()
            if news:
                self._publish({HOST: part}, news=news)

    def _publish(
        self,
        parts: Mapping[str, Part] | None = None,
        *,
        unheard: frozenset[str] | None = None,
        news: list[Fact] | None = None,
    ) -> None:
        before = self._now
        self._now = replace(
            before,
            parts={**before.parts, **(parts or {})},
            unheard=before.unheard if unheard is None else unheard,
        )
        self._news = [*self._news, *(news or ())][-MAX_NEWS:]
        if not self._now.unheard:
            self._heard.set()
        if self._now != before:
            self._changed.set()


def read_snapshot(fields: Mapping[str, Any]) -> Part:
    """Return the part that a worker's reply describes; ValueError for another one."""
    run, rows = fields.get("run"), fields.get("facts")
    if not isinstance(run, str) or not isinstance(rows, list):
        raise ValueError("the reply lacks run or facts")
    part = Part(run)
    for row in rows:
        number, fact = read_fact(row)
        if fact is not None:
            part = part.add(number, fact)
    return part


def read_fact(row: Any) -> tuple[int, Fact | None]:
    """Return a fact with its number, None for a kind that is not known; ValueError for anything else."""
    if not isinstance(row, dict) or type(number := row.get("seq")) is not int:
        raise ValueError("the fact has no number")
    return number, fact_from_json(row)
