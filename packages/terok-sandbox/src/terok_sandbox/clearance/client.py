"""A front end's connection to the gateway of one container."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final

from terok_util import TerokError
from terok_util.text import safe_text

from terok_sandbox.clearance.errors import ClearanceError, HubUnavailable
from terok_sandbox.clearance.events import ClearanceEvent, read_event
from terok_sandbox.shield.control_client import connect
from terok_sandbox.shield.protocol import MAX_LINE, Fields, decode, encode

if TYPE_CHECKING:
    from pathlib import Path
    from typing import Self

    from terok_sandbox.clearance.model import Verdict

REPLY_SECONDS: Final = 10.0
CONNECT_TIMEOUT: Final = 3.0
_MAX_EVENTS: Final = 256


class ClearanceClient:
    """Events and verdicts of one container. Use it as an asynchronous context manager; one event loop.

    With `answers=True` it stands for a person who can answer: the gateway then holds names for a few seconds.
    """

    def __init__(self, path: Path, *, answers: bool = False) -> None:
        self._path = path
        self._answers = answers
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._events: asyncio.Queue[ClearanceEvent | None] = asyncio.Queue(_MAX_EVENTS)
        self._replies: dict[int, asyncio.Future[tuple[str, Fields]]] = {}
        self._seq = 0
        self._task: asyncio.Task[None] | None = None
        self.container = path.parent.parent.name
        """Its name by the place of the socket, not by what the gateway says of itself."""

    async def __aenter__(self) -> Self:
        """Connect and subscribe; raises `HubUnavailable`."""
        try:
            channel = connect(self._path, timeout=CONNECT_TIMEOUT)
            self._reader, self._writer = await asyncio.open_unix_connection(sock=channel, limit=MAX_LINE)
            self._task = asyncio.create_task(self._read())
            await self._ask("subscribe", seconds=CONNECT_TIMEOUT, answers=self._answers)
        except (OSError, TerokError) as error:
            await self.close()
            raise HubUnavailable(f"{self._path}: no gateway replies: {error}", hint=_RUNNING) from error
        return self

    async def __aexit__(self, *_: object) -> None:
        """Disconnect."""
        await self.close()

    async def close(self) -> None:
        """Disconnect; whoever waits for an event or a reply is told."""
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
            raise HubUnavailable(f"{self._path}: the connection has ended", hint=_RUNNING)
        return event

    async def waiting(self) -> list[ClearanceEvent]:
        """Return the questions that wait now, oldest first: the replay up to its end."""
        found = []
        async with asyncio.timeout(REPLY_SECONDS):
            while (event := await self.next_event()).kind != "replayed":
                if event.kind == "request":
                    found.append(event)
        return found

    async def decide(self, request_id: str, target: str, verdict: Verdict) -> None:
        """Give a verdict and wait until it is in force; raises `ClearanceError` when it is refused."""
        await self._ask("decide", id=request_id, target=target, **verdict.to_json())

    async def ping(self) -> None:
        """Wait for a sign of life; raises `HubUnavailable`."""
        await self._ask("ping")

    async def _ask(self, kind: str, *, seconds: float = REPLY_SECONDS, **fields: Any) -> None:
        """Send a request and wait for its reply; raises `ClearanceError` for a refusal."""
        if self._writer is None or self._writer.is_closing():
            raise HubUnavailable(f"{self._path}: the connection has ended", hint=_RUNNING)
        self._seq += 1
        seq = self._seq
        reply = self._replies[seq] = asyncio.get_running_loop().create_future()
        try:
            self._writer.write(encode(kind, seq=seq, **fields))
            async with asyncio.timeout(seconds):
                kind, found = await reply
        except OSError as error:  # a time-out is one
            raise HubUnavailable(f"{self._path}: no reply", hint=_RUNNING) from error
        finally:
            self._replies.pop(seq, None)
        if kind != "ok":
            message = safe_text(str(found.get("message", "refused")), limit=1000)
            raise ClearanceError(message, hint=safe_text(str(found.get("hint", "")), limit=300) or None)

    async def _read(self) -> None:
        assert self._reader is not None
        try:
            with suppress(OSError, ValueError, TerokError):
                while line := await self._reader.readline():
                    self._take(*decode(line))
        finally:
            for reply in self._replies.values():
                if not reply.done():
                    reply.set_exception(HubUnavailable(f"{self._path}: the connection has ended", hint=_RUNNING))
            self._push(None)

    def _take(self, kind: str, fields: Fields) -> None:
        if kind not in ("ok", "error"):
            event = read_event(self.container, kind, fields)
            return None if event is None else self._push(event)
        seq = fields.get("seq")
        reply = self._replies.get(seq) if isinstance(seq, int) else None
        if reply is not None and not reply.done():
            reply.set_result((kind, fields))
        return None

    def _push(self, event: ClearanceEvent | None) -> None:
        if self._events.full():
            self._events.get_nowait()
        self._events.put_nowait(event)


_RUNNING: Final = "see with `terok-sandbox list` whether the container runs and is supervised"
