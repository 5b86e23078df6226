"""A front end's connections: to the gateway of one container, or of all that come and go."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Final, Self, TypeVar

from terok_util import TerokError

from terok_sandbox.clearance.errors import HubUnavailable, UnknownRequest
from terok_sandbox.clearance.events import ClearanceEvent, read_event
from terok_sandbox.clearance.model import ClearanceRequest, Verdict
from terok_sandbox.clearance.project import remember_decision
from terok_sandbox.clearance.waiting import (
    MAX_WAITING,
    PATIENCE,
    RUNNING_HINT,
    ask_hub,
    decide_request,
    gateway_sockets,
)
from terok_sandbox.config import SandboxConfig
from terok_sandbox.shield.control_client import connect
from terok_sandbox.shield.protocol import MAX_LINE, decode, encode

CONNECT_TIMEOUT: Final = 3.0
_MAX_EVENTS: Final = 256
POLL: Final = 1.0  # seconds between looks for new containers
_LONGEST_BACKOFF: Final = 10.0

_Key = tuple[str, str]
_Event = TypeVar("_Event")


class ClearanceClient:
    """Events and verdicts of one container, an asynchronous context manager; with `answers` it stands for a person."""

    def __init__(self, path: Path, *, answers: bool = False) -> None:
        self._path = path
        self._answers = answers
        self._writer: asyncio.StreamWriter | None = None
        self._events: asyncio.Queue[ClearanceEvent | None] = asyncio.Queue(_MAX_EVENTS)
        self._task: asyncio.Task[None] | None = None
        self.container = path.parent.parent.name
        """Its name by the place of the socket, whatever the gateway calls itself."""

    async def __aenter__(self) -> Self:
        """Connect and subscribe; raises `HubUnavailable`."""
        try:
            async with asyncio.timeout(CONNECT_TIMEOUT):
                channel = connect(self._path, timeout=CONNECT_TIMEOUT)
                reader, self._writer = await asyncio.open_unix_connection(sock=channel, limit=MAX_LINE)
                self._writer.write(encode("subscribe", answers=self._answers))
                kind, fields = decode(await reader.readline())
            if kind != "ok":
                raise HubUnavailable(str(fields.get("message", "refused")))
        except (OSError, ValueError, TerokError) as error:
            await self.close()
            raise HubUnavailable(f"{self._path}: no gateway takes subscribers: {error}", hint=RUNNING_HINT) from error
        self._task = asyncio.create_task(self._read(reader))
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await self.close()

    async def close(self) -> None:
        """Disconnect; whoever waits for an event hears of it."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
        if self._writer is not None:
            self._writer.close()
            with suppress(OSError):
                await self._writer.wait_closed()

    async def next_event(self) -> ClearanceEvent:
        """Return the next event, the replay first; raises `HubUnavailable` when the connection has ended."""
        event = await self._events.get()
        if event is None:
            self._events.put_nowait(None)
            raise HubUnavailable(f"{self._path}: the connection has ended", hint=RUNNING_HINT)
        return event

    async def waiting(self) -> list[ClearanceEvent]:
        """Return the questions that wait now, oldest first: the replay up to its end."""
        events = []
        async with asyncio.timeout(PATIENCE):
            while (event := await self.next_event()).kind != "replayed":
                if event.kind == "request":
                    events.append(event)
        return events

    async def decide(self, request_id: str, target: str, verdict: Verdict) -> None:
        """Give a verdict and wait until it is in force; raises `ClearanceError` when it is refused."""
        await asyncio.to_thread(decide_request, self._path, request_id, target, verdict)

    async def ping(self) -> None:
        """Wait for a sign of life; raises `HubUnavailable`."""
        await asyncio.to_thread(ask_hub, self._path, "ping")

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            with suppress(OSError, ValueError, TerokError):
                while line := await reader.readline():
                    event = read_event(self.container, *decode(line))
                    if event is not None:
                        _push(self._events, event)
        finally:
            _push(self._events, None)


class MultiSocketSubscriber:
    """Events and verdicts of every running container of this user; an asynchronous context manager.

    A hub that goes away is tried again with growing pauses while its socket exists.
    """

    def __init__(self, config: SandboxConfig, *, answers: bool, only: str | None = None) -> None:
        self._config = config
        self._answers = answers
        self._only = only
        self._followers: dict[Path, asyncio.Task[None]] = {}
        self._events: asyncio.Queue[ClearanceEvent] = asyncio.Queue(2 * _MAX_EVENTS)
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
        """Give a verdict, kept for later containers if it is the project's; raises `ClearanceError`."""
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
                _push(self._events, ClearanceEvent("gone", client.container))
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
        _push(self._events, event)


def _push(events: asyncio.Queue[_Event], event: _Event) -> None:
    # The newest counts: a front end that is behind asks for the waiting questions again.
    if events.full():
        events.get_nowait()
    events.put_nowait(event)
