"""A front end's connection to the gateway of one container."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final, Self

from terok_util import TerokError

from terok_sandbox.clearance.errors import HubUnavailable
from terok_sandbox.clearance.events import ClearanceEvent, read_event
from terok_sandbox.clearance.model import Verdict
from terok_sandbox.clearance.waiting import PATIENCE, RUNNING_HINT, ask_hub, decide_request
from terok_sandbox.shield.control_client import connect
from terok_sandbox.shield.protocol import MAX_LINE, decode, encode

CONNECT_TIMEOUT: Final = 3.0
_MAX_EVENTS: Final = 256


class ClearanceClient:
    """Events and verdicts of one container. Use it as an asynchronous context manager; one event loop.

    With `answers=True` it stands for a person who can answer: the gateway then holds names for a few seconds.
    """

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
                        self._push(event)
        finally:
            self._push(None)

    def _push(self, event: ClearanceEvent | None) -> None:
        if self._events.full():
            self._events.get_nowait()
        self._events.put_nowait(event)
