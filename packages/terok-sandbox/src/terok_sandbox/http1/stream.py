"""One connection on the event loop: bytes in with back-pressure, bytes out with back-pressure, and deadlines.

Waiting needs no timer of its own, because a `Deadlines` looks over all its streams every second and ends those whose
deadline has passed: deadlines are kept to about a second.
"""

from __future__ import annotations

import asyncio
import math
import socket
import struct
from collections.abc import AsyncIterator, Callable, Generator
from contextvars import Context
from typing import Final, cast

from terok_util.streams import send_at_once

from terok_sandbox.http1.body import Body
from terok_sandbox.http1.head import MAX_HEAD, BrokenOff, HttpSyntaxError, is_already_invalid

HIGH_WATER: Final = 128 * 1024
"""Bytes that may wait to be read before the peer is held back; also what may wait to be written."""
SMALLEST_READ: Final = 64 * 1024
LARGEST_READ: Final = 1024 * 1024
READS_TOGETHER: Final = 32 * 1024 * 1024
"""Bytes that one read of every connection may bring in total; each may always read SMALLEST_READ."""
SWEEP_SECONDS: Final = 1.0
_RESET: Final = struct.pack("ii", 1, 0)
LINGER_BYTES: Final = 4 * 1024 * 1024


class HeadTooLarge(HttpSyntaxError):
    """A head did not end within MAX_HEAD bytes."""


class _Pause:
    """An awaitable that a task accepts in place of a `Future`.

    `resume` runs the coroutine at once, inside the call: with a future it would wait for the next turn of the event
    loop, which costs a fifth of a small request's time. `wake` leaves it to the next turn.
    """

    __slots__ = ("_asyncio_future_blocking", "_callback", "_cancelled", "_context", "_done", "_loop")

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._callback: Callable[[_Pause], None] | None = None
        self._context: Context | None = None
        self._done = self._cancelled = False
        self._asyncio_future_blocking = False

    def __await__(self) -> Generator[_Pause, None, None]:
        self._asyncio_future_blocking = True
        yield self

    def resume(self) -> None:
        """Let the coroutine go on now. Call it from the event loop, not from a coroutine."""
        if not self._done:
            self._done = True
            if self._callback is not None and self._context is not None:
                self._context.run(self._callback, self)

    def wake(self) -> None:
        """Let the coroutine go on with the next turn of the event loop."""
        if not self._done:
            self._done = True
            if self._callback is not None:
                self._loop.call_soon(self._callback, self, context=self._context)

    # What a task calls.

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    def add_done_callback(self, callback: Callable[[_Pause], None], *, context: Context) -> None:
        self._callback, self._context = callback, context

    def cancel(self, msg: object = None) -> bool:
        del msg
        if self._done:
            return False
        self._cancelled = True
        self.wake()
        return True

    def result(self) -> None:
        if self._cancelled:
            raise asyncio.CancelledError


class Deadlines:
    """Ends what takes too long, and everything when `closed` says so. Stop it before the event loop ends."""

    def __init__(self, closed: Callable[[], bool] = lambda: False) -> None:
        self._closed = closed
        self.loop = asyncio.get_running_loop()
        self.streams: set[Stream] = set()
        self._timer: asyncio.TimerHandle | None = None

    def stop(self) -> None:
        """Stop checking, and cut every connection."""
        if self._timer is not None:
            self._timer.cancel()
        for stream in list(self.streams):
            stream.reset()

    def watch(self, stream: Stream) -> None:
        """Look after `stream` until it is taken out of `streams`; nothing wakes up while there are none."""
        self.streams.add(stream)
        if self._timer is None:
            self._timer = self.loop.call_later(SWEEP_SECONDS, self._sweep)

    def read_size(self) -> int:
        """Return how much a connection that is streaming reads at a time: the fewer there are, the more."""
        return max(SMALLEST_READ, min(LARGEST_READ, READS_TOGETHER // max(1, len(self.streams))))

    def _sweep(self) -> None:
        now = self.loop.time()
        if self._closed():
            for stream in list(self.streams):
                stream.reset()
        for stream in [stream for stream in self.streams if stream.read_by < now or stream.write_by < now]:
            stream.expire()
        self._timer = self.loop.call_later(SWEEP_SECONDS, self._sweep) if self.streams else None


class Stream(asyncio.Protocol):
    """A connection. One coroutine at a time reads, one at a time writes."""

    is_request = False
    """Whether heads read here are requests."""

    def __init__(self, deadlines: Deadlines) -> None:
        self.deadlines = deadlines
        self.read_by = math.inf
        self.write_by = math.inf
        self.ended = False
        self.on_leave: Callable[[], bool] | None = None
        """Hears that the peer has gone, and says whether what is under way is of use all the same."""
        self.left = False
        """Whether the peer has gone, and what was under way goes on for a while without it."""
        self._transport: asyncio.Transport | None = None
        self._data = b""
        self._reader: _Pause | None = None
        self._writer: _Pause | None = None
        self._full = False
        self._paused = False
        self._late = False
        self._discard = -1

    # What the event loop calls.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Take the transport."""
        self._transport = cast("asyncio.Transport", transport)
        send_at_once(transport)
        self._transport.set_write_buffer_limits(high=HIGH_WATER)
        self._read_at_most(SMALLEST_READ)
        self.deadlines.watch(self)

    def data_received(self, data: bytes) -> None:
        """Keep what came for the reader."""
        if len(data) >= SMALLEST_READ:
            self._read_at_most(self.deadlines.read_size())
        if self._discard >= 0:
            self._discard += len(data)
            if self._discard > LINGER_BYTES:
                self.abort()
            return
        self._data = self._data + data if self._data else data
        if self._reader is not None:
            self._reader.resume()
        elif len(self._data) > HIGH_WATER and not self._paused and self._transport is not None:
            self._paused = True
            self._transport.pause_reading()

    def eof_received(self) -> bool:
        """Take the peer's end for the connection's end, once everything is written."""
        self.ended = True
        if self._reader is not None:
            self._reader.wake()
        return False

    def connection_lost(self, exc: BaseException | None) -> None:
        """Wake whoever waits."""
        self.ended = True
        self._transport = None
        self.deadlines.streams.discard(self)
        for waiter in (self._reader, self._writer):
            if waiter is not None:
                waiter.wake()

    def pause_writing(self) -> None:
        """Make writers wait."""
        self._full = True

    def resume_writing(self) -> None:
        """Let writers go on."""
        self._full = False
        if self._writer is not None:
            self._writer.wake()

    # What the proxy calls.

    @property
    def alive(self) -> bool:
        """Whether an unused connection is fit for the next message: open, and nothing came unasked."""
        return not self.ended and not self._data and self._transport is not None and not self._transport.is_closing()

    @property
    def open(self) -> bool:
        """Whether anything can still be sent."""
        return self._transport is not None and not self._transport.is_closing()

    @property
    def transport(self) -> asyncio.Transport:
        """The transport; raises BrokenOff when the connection is gone."""
        if self._transport is None:
            raise BrokenOff("the connection is gone")
        return self._transport

    async def read_head(self, idle: float, complete: float) -> bytes | None:
        """Return the next head, None if none begins before the end; raises HttpSyntaxError or TimeoutError.

        `idle` seconds may pass before the first byte, `complete` from then on to the last.
        """
        skips = self.is_request
        start, deadline = 0, self.deadlines.loop.time() + (complete if self._data else idle)
        while True:
            if skips and len(self._data) >= 2:
                # Some clients end a body with an empty line that does not belong to it.
                skips, self._data = False, self._data.removeprefix(b"\r\n")
            found = self._data.find(b"\r\n\r\n", max(0, start - 3))
            if 0 <= found <= MAX_HEAD - 4:
                head, self._data = self._data[: found + 4], self._data[found + 4 :]
                return head
            if len(self._data) > MAX_HEAD:
                raise HeadTooLarge("the head is too large")
            if self._data and is_already_invalid(self._data[max(0, start - 1) :], request=self.is_request):
                raise HttpSyntaxError("the head has characters that no head has")
            if self.ended:
                if self._data:
                    raise BrokenOff("the connection ended in the middle of a head")
                return None
            if start == 0 and self._data:
                deadline = self.deadlines.loop.time() + complete
            start = len(self._data)
            await self._wait(deadline)

    async def read_some(self, seconds: float) -> bytes:
        """Return the bytes that have arrived, waiting so many seconds for some; b"" when the peer has ended."""
        while not self._data:
            if self.ended:
                return b""
            await self._wait(self.deadlines.loop.time() + seconds)
        data, self._data = self._data, b""
        self._read_on()
        return data

    def take_buffered(self, length: int) -> bytes | None:
        """Return exactly `length` bytes if they have come already."""
        if len(self._data) < length:
            return None
        data, self._data = self._data[:length], self._data[length:]
        return data

    async def read_body(self, body: Body, seconds: float) -> AsyncIterator[bytes]:
        """Yield the content of a body piece by piece; raises HttpSyntaxError or TimeoutError if it has no end."""
        while not body.done:
            data = await self.read_some(seconds)
            if not data:
                body.end()
                return
            piece, rest = body.feed(data)
            if rest:
                self._data = rest + self._data
            if piece:
                yield piece

    def write(self, data: bytes) -> None:
        """Send; raises BrokenOff when the connection is gone."""
        if self._transport is None:
            raise BrokenOff("the connection is gone")
        self._transport.write(data)

    async def drain(self, seconds: float) -> None:
        """Wait until the peer has taken most of what was written; raises BrokenOff or TimeoutError if it does not."""
        while self._full:
            if self._transport is None:
                raise BrokenOff("the connection is gone")
            waiter = self._writer = _Pause(self.deadlines.loop)
            self.write_by = self.deadlines.loop.time() + seconds
            try:
                await waiter
            finally:
                self._writer, self.write_by = None, math.inf
            if self._late:
                raise TimeoutError

    def expire(self) -> None:
        """End a wait that has taken too long."""
        self.read_by = self.write_by = math.inf
        if self._discard >= 0 or (self._reader is None and self._writer is None):
            self.abort()
            return
        self._late = True
        for waiter in (self._reader, self._writer):
            if waiter is not None:
                waiter.wake()

    def close(self) -> None:
        """Close once everything is written."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        """Close at once; what is not written is lost."""
        if self._transport is not None:
            self._transport.abort()

    def reset(self) -> None:
        """Close at once and so that no peer takes what it has for the whole."""
        if self._transport is not None:
            if (held := self._transport.get_extra_info("socket")) is not None:
                held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._transport.abort()

    def linger(self, seconds: float) -> None:
        """Close so that the peer can read what was written although it is still sending."""
        if self._transport is None or self.ended:
            self.close()
            return
        self._discard = 0
        self._data = b""
        self.read_by = self.deadlines.loop.time() + seconds
        self._read_on()
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _read_on(self) -> None:
        if self._paused and self._transport is not None:
            self._paused = False
            self._transport.resume_reading()

    def _read_at_most(self, size: int) -> None:
        # asyncio's own knob, without a public setter; transports of TLS do not look at it.
        self._transport.max_size = size  # type: ignore[union-attr]

    async def _wait(self, deadline: float) -> None:
        if self._paused:
            self._read_on()
        waiter = self._reader = _Pause(self.deadlines.loop)
        self.read_by = deadline
        try:
            await waiter
        finally:
            self._reader, self.read_by = None, math.inf
        if self._late:
            raise TimeoutError
