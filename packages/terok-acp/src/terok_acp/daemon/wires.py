"""Connections of the daemon: bytes to frames and back, each on its socket."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Final

from terok_acp.protocol.frames import Frame
from terok_acp.protocol.framing import FrameReader, Violation

PIECE: Final = 256 << 10
"""Bytes that are given to the kernel at a time; no more wait outside of an editor's outbox."""
MOST_UNREAD: Final = 64 << 20
"""Bytes that an adapter may leave unread before it counts as hung."""

OnFrames = Callable[[list[Frame | Violation], int], None]
"""Takes the frames of one piece of input, and how many bytes one of them has on average."""


class EditorWire(asyncio.Protocol):
    """One editor's connection: what it is sent is asked for when there is room."""

    def __init__(
        self, limit: int, *, on_frames: OnFrames, take: Callable[[int], bytes], on_end: Callable[[], None]
    ) -> None:
        self._reader = FrameReader(limit)
        self._on_frames = on_frames
        self._take = take
        self._on_end = on_end
        self._transport: asyncio.Transport | None = None
        self._full = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin."""
        assert isinstance(transport, asyncio.Transport)
        transport.set_write_buffer_limits(high=0)
        self._transport = transport

    def data_received(self, data: bytes) -> None:
        """Take the next bytes."""
        frames = self._reader.feed(data)
        if frames:
            self._on_frames(frames, len(data) // len(frames))

    def pause_writing(self) -> None:
        """Wait until the editor reads on."""
        self._full = True

    def resume_writing(self) -> None:
        """Go on writing."""
        self._full = False
        self.flush()

    def connection_lost(self, _: Exception | None) -> None:
        """Take note of the end."""
        self._transport = None
        self._on_end()

    def flush(self) -> None:
        """Write what waits, as far as there is room."""
        while self._transport is not None and not self._full:
            data = self._take(PIECE)
            if not data:
                return
            self._transport.write(data)

    def close(self, *, now: bool = False) -> None:
        """End the connection, `now` even if something was not written."""
        if self._transport is not None:
            if now:
                self._transport.abort()
            else:
                self._transport.close()


class AdapterWire(asyncio.Protocol):
    """The connection to one adapter; what is written before it is there waits."""

    def __init__(self, limit: int, *, on_frames: OnFrames, on_end: Callable[[], None]) -> None:
        self._reader = FrameReader(limit)
        self._on_frames = on_frames
        self._on_end = on_end
        self._transport: asyncio.Transport | None = None
        self._early: list[bytes] | None = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin, with what was written before."""
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        early, self._early = self._early or [], None
        transport.write(b"".join(early))

    def data_received(self, data: bytes) -> None:
        """Take the next bytes."""
        frames = self._reader.feed(data)
        if frames:
            self._on_frames(frames, len(data) // len(frames))

    def connection_lost(self, _: Exception | None) -> None:
        """Take note of the end."""
        self._transport = None
        self._on_end()

    def write(self, line: bytes) -> None:
        """Write a line; nothing if it has ended."""
        if self._early is not None:
            self._early.append(line)
        elif self._transport is not None:
            self._transport.write(line)
            if self._transport.get_write_buffer_size() > MOST_UNREAD:
                self._transport.abort()

    def close(self) -> None:
        """Hang up."""
        self._early = None
        if self._transport is not None:
            self._transport.close()
