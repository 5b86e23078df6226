"""One front end on a container's clearance socket: this user only, bounded both ways."""

from __future__ import annotations

import asyncio
import os
from collections import deque
from contextlib import suppress
from typing import TYPE_CHECKING, Any, Final, Protocol

from terok_util import TerokError
from terok_util.text import safe_text

from terok_sandbox import unix_sockets
from terok_sandbox.clearance import protocol
from terok_sandbox.clearance.errors import BadMessage
from terok_sandbox.clearance.model import Verdict

if TYPE_CHECKING:
    from terok_sandbox.clearance.model import ClearanceRequest

QUEUE: Final = 128
"""Lines that wait for a slow front end; the oldest is dropped, and the front end is told how many were."""


class Hub(Protocol):
    """What a connection needs of its hub."""

    def hello(self) -> bytes:
        """Return the first line."""
        ...

    def replay(self) -> list[bytes]:
        """Return the lines that bring a subscriber up to date."""
        ...

    async def decide(self, request_id: str, target: str, verdict: Verdict) -> ClearanceRequest:
        """Bring a verdict into force; raises `TerokError`."""
        ...


class Connection:
    """Reads operations one after the other and sends events as they come."""

    def __init__(self, hub: Hub, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._hub = hub
        self._reader = reader
        self._writer = writer
        self._lines: deque[bytes] = deque()
        self._lost = 0
        self._ready = asyncio.Event()
        self._subscribed = False
        self.answers = False
        """Whether a person behind it can answer: only then are connections held."""

    @property
    def same_user(self) -> bool:
        """Whether the peer runs as this user."""
        return unix_sockets.peer_uid(self._writer.get_extra_info("socket")) == os.geteuid()

    def tell(self, line: bytes) -> None:
        """Queue an event, if it has subscribed."""
        if self._subscribed:
            self._put(line)

    def close(self) -> None:
        """End the connection."""
        self._writer.close()

    async def run(self) -> None:
        """Serve until the peer leaves, sends a line that is too long, or stops reading."""
        sender = asyncio.create_task(self._send())
        self._put(self._hub.hello())
        try:
            with suppress(OSError, ValueError, EOFError):  # ValueError: a line beyond the reader's limit
                while line := await self._reader.readline():
                    await self._operate(line)
        finally:
            sender.cancel()
            self._writer.close()

    async def _operate(self, line: bytes) -> None:
        seq: dict[str, Any] = {}
        try:
            kind, fields = protocol.decode(line)
            if type(fields.get("seq")) is int:
                seq = {"seq": fields["seq"]}
            await self._dispatch(kind, fields, seq)
        except TerokError as error:
            message = safe_text(error.message, limit=1000)
            hint = safe_text(error.hint or "", limit=300)
            self._put(protocol.encode("error", code=type(error).__name__, message=message, hint=hint, **seq))

    async def _dispatch(self, kind: str, fields: dict[str, Any], seq: dict[str, Any]) -> None:
        if kind == "ping":
            self._put(protocol.encode("pong", **seq))
        elif kind == "subscribe":
            self._subscribed = True
            self.answers = fields.get("answers") is True
            for line in self._hub.replay():
                self._put(line)
        elif kind == "verdict":
            request_id, target = fields.get("id"), fields.get("target")
            if not isinstance(request_id, str) or not isinstance(target, str):
                raise BadMessage("a verdict names the request's id and target")
            request = await self._hub.decide(request_id, target, Verdict.from_json(fields))
            self._put(protocol.encode("ok", id=request.id, **seq))
        else:
            raise BadMessage("the operations are subscribe, verdict and ping")

    def _put(self, line: bytes) -> None:
        if len(self._lines) >= QUEUE:
            self._lines.popleft()
            self._lost += 1
        self._lines.append(line)
        self._ready.set()

    async def _send(self) -> None:
        with suppress(OSError):
            while True:
                await self._ready.wait()
                self._ready.clear()
                while self._lines:
                    if self._lost:
                        self._writer.write(protocol.encode("lost", count=self._lost))
                        self._lost = 0
                    self._writer.write(self._lines.popleft())
                    await self._writer.drain()
