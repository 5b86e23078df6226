"""One front end for all running containers: it follows the hubs as they come and go."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from pathlib import Path
from typing import Final, Self

from terok_sandbox.clearance.client import ClearanceClient
from terok_sandbox.clearance.errors import HubUnavailable, UnknownRequest
from terok_sandbox.clearance.events import ClearanceEvent
from terok_sandbox.clearance.model import ClearanceRequest, Verdict
from terok_sandbox.clearance.project import remember_decision
from terok_sandbox.clearance.waiting import MAX_WAITING, decide_request, gateway_sockets
from terok_sandbox.config import SandboxConfig

POLL: Final = 1.0
"""Seconds between looks for new containers."""
_LONGEST_BACKOFF: Final = 10.0
_QUEUE: Final = 512

_Key = tuple[str, str]


class MultiSocketSubscriber:
    """Events and verdicts of every running container of this user; an asynchronous context manager.

    Late subscribers get what waits already. A hub that goes away (its container ended, its gateway restarts) is tried
    again with growing pauses while its socket exists.
    """

    def __init__(self, config: SandboxConfig, *, answers: bool, only: str | None = None) -> None:
        self._config = config
        self._answers = answers
        self._only = only
        self._followers: dict[Path, asyncio.Task[None]] = {}
        self._events: asyncio.Queue[ClearanceEvent] = asyncio.Queue(_QUEUE)
        self._waiting: dict[_Key, ClearanceRequest] = {}
        self._watch: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Begin to follow the containers."""
        self._watch = asyncio.create_task(self._find_containers())
        return self

    async def __aexit__(self, *_: object) -> None:
        """Leave every hub."""
        tasks = [task for task in (self._watch, *self._followers.values()) if task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def waiting(self) -> tuple[ClearanceRequest, ...]:
        """The questions that wait, in the order they were heard of."""
        return tuple(self._waiting.values())

    async def next_event(self) -> ClearanceEvent:
        """Return the next event of any container."""
        return await self._events.get()

    async def decide(self, request: ClearanceRequest, verdict: Verdict) -> None:
        """Give a verdict; one for the project is kept for its later containers too.

        Raises `ClearanceError`: unknown request, another target, no project, or what the shield refuses.
        """
        if (request.container, request.id) not in self._waiting:
            raise UnknownRequest(f"no request {request.id!r} waits")
        path = self._config.gateway_socket(request.container)
        await asyncio.to_thread(decide_request, path, request.id, str(request.target), verdict)
        remember_decision(self._config, request, verdict)

    def sockets(self) -> list[Path]:
        """Return the sockets of the containers that have one now."""
        return gateway_sockets(self._config, self._only)

    async def _find_containers(self) -> None:
        while True:
            for path in self.sockets():
                if path not in self._followers or self._followers[path].done():
                    self._followers[path] = asyncio.create_task(self._follow(path))
            await asyncio.sleep(POLL)

    async def _follow(self, path: Path) -> None:
        backoff = 0.1
        while path in self.sockets():
            client = ClearanceClient(path, answers=self._answers)
            try:
                async with client:
                    backoff = 0.1
                    while True:
                        self._add_event(await client.next_event())
            except HubUnavailable:
                for key in [key for key in self._waiting if key[0] == client.container]:
                    del self._waiting[key]
                self._push(ClearanceEvent("gone", client.container))
            await asyncio.sleep(backoff)
            backoff = min(backoff * 2, _LONGEST_BACKOFF)
        del self._followers[path]

    def _add_event(self, event: ClearanceEvent) -> None:
        if event.request is not None:
            key = (event.container, event.request.id)
            known = self._waiting.get(key)
            if known is not None and not event.request.program:  # the program that asked has ended by now
                event = replace(event, request=replace(event.request, program=known.program))
            if event.request is not None and (known is not None or len(self._waiting) < MAX_WAITING):
                self._waiting[key] = event.request
        elif event.kind == "resolved":
            event = replace(event, request=self._waiting.pop((event.container, event.request_id), None))
        self._push(event)

    def _push(self, event: ClearanceEvent) -> None:
        if self._events.full():
            self._events.get_nowait()
        self._events.put_nowait(event)
